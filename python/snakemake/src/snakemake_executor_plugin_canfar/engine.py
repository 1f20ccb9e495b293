"""Brings jobs to the platform, watches them, and ends them. Knows nothing of Snakemake."""

import dataclasses
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from . import command, failure, names, recovery
from .backend import Backend, BackendError, Ending, KeyReused, Refused
from .journal import Journal, Record, recorded
from .outage import Outage, Stopped
from .run import Outcome, Run
from .watcher import Watcher
from .workers import Workers

PARALLEL_REQUESTS = 16
SETTLE_SECONDS = 10.0
"""How long Ctrl-C waits for requests that are under way, and for the platform to accept the cancelling."""
LOG_SECONDS = 120.0
"""How long the log of an ended job is asked for while the platform is away."""
EXPLAIN_SECONDS = 120.0
"""How often the engine asks why its jobs wait."""
RETRY_PAUSE = 5.0
"""Seconds before a job is submitted again after a failure of the platform, times the number of the retry."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How the engine runs jobs. `folder` is the workflow's folder in the jobs; None if they do not see it."""

    folder: str | None
    identity: str
    """What the names of jobs are made from: the workflow's folder."""
    prelude: str
    """What the command of a job does first."""
    infrastructure_retries: int
    log_bytes: int
    keep_all_logs: bool


class Engine:
    """The jobs of one run of a workflow."""

    def __init__(
        self,
        backend: Backend,
        journal: Journal,
        outage: Outage,
        options: Options,
        *,
        stop: threading.Event,
        info: Callable[[str], None],
        error: Callable[[str], None],
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called whenever the outcome of a run is set."""
        self._backend = backend
        self._journal = journal
        self._outage = outage
        self._options = options
        self._stop = stop
        self._info = info
        self._error = error
        self._ready = ready
        self._lock = threading.Lock()
        # Jobs that the platform has and whose end is not known, by id.
        self._live: dict[str, Run] = {}
        # Jobs whose submission was sent and not answered, by name.
        self._unanswered: dict[str, Run] = {}
        self._workers = Workers(PARALLEL_REQUESTS, self._task_failed)
        self._watcher = Watcher(self._wait, self._ended, fresh_lane=backend.holds_waits, stop=stop)
        threading.Thread(target=self._explain_waits, name="canfar-why", daemon=True).start()

    # Submission

    def start(self, run: Run) -> None:
        """Submits a job on a thread of its own, or takes over the one that an earlier engine has submitted."""
        self._do(run, lambda: self._bring(run))

    def _do(self, run: Run, task: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                task()
            except Stopped:
                return
            except Exception as error:
                # A run without an outcome would be waited for forever.
                self._finish(run, Outcome(f"{run.label}: {type(error).__name__}: {error}\n"))

        self._workers.do(guarded)

    def _bring(self, run: Run) -> None:
        try:
            with self._journal.locked(run.key):
                while not self._step(run):
                    pass
        except (Refused, OSError) as error:
            if run.record is not None:
                self._journal.remove(run.key, run.record.key)
            self._finish(run, Outcome(f"The job was not submitted: {error}\n"))

    def _step(self, run: Run) -> bool:
        """Does what the journal and the platform call for. Returns whether the job has arrived."""
        record = self._journal.read(run.key)
        plan = self._outage.persist(lambda: self._plan(run, record))
        if record is None or plan.step == "submit":
            self._submit(run)
            return True
        if plan.step == "repeat":
            return self._repeat(run, record)
        identifier = plan.id or ""
        if plan.step in ("replace", "await-end"):
            if plan.step == "replace":
                self._info(
                    f"Job {identifier} of {run.label} is of an earlier run, and the rule has changed: cancelling it."
                )
                self._outage.persist(lambda: self._backend.cancel([identifier]))
            while not self._wait([identifier], 10):
                if self._stop.is_set():
                    raise Stopped
            return False
        if plan.step == "take":
            self._info(
                f"Job {identifier} of {run.label}, submitted by an earlier run, has made its outputs: they are taken."
            )
        else:
            self._info(f"Job {identifier} of {run.label}, submitted by an earlier run, goes on: it is adopted.")
        self._arrived(run, record, identifier, adopted=True)
        if plan.step == "take":
            self._ended(Ending(identifier, "succeeded"))
        return True

    def _plan(self, run: Run, record: Record | None) -> recovery.Plan:
        found = [] if record is None else self._backend.find_by_name(record.name)
        made = record is not None and run.wanted_for_outputs and run.made()
        return recovery.plan(
            record,
            found,
            digest=run.digest,
            outputs_made=made and (bool(found) or not run.marked_incomplete()),
            key_seconds=self._backend.key_seconds,
            now=time.time(),
        )

    def _submit(self, run: Run) -> None:
        key = str(uuid.uuid4())
        name = names.job_name(self._options.identity, run.label, key)
        request = dataclasses.replace(run.request, name=name, words=self._words(run))
        record = Record(
            key=key,
            name=name,
            digest=run.digest,
            engine=self._journal.engine,
            sent_at=time.time(),
            request=recorded(request),
        )
        # Before the request: after a kill the next engine finds the job, or repeats the request under its key.
        self._journal.write(run.key, record)
        with self._lock:
            run.record = record
            self._unanswered[name] = run
        identifier = self._outage.persist(lambda: self._backend.submit(request, key))
        self._arrived(run, record, identifier, adopted=False)

    def _repeat(self, run: Run, record: Record) -> bool:
        self._info(f"Repeating the submission of {run.label}, which an earlier run left without an answer.")
        request = record.with_environment(run.request.env)
        try:
            identifier = self._outage.persist(lambda: self._backend.submit(request, record.key))
        except KeyReused:
            # A variable has another value today, so the first request has arrived: the next plan finds its job.
            if self._outage.persist(lambda: self._backend.find_by_name(record.name)):
                return False
            self._submit(run)
            return True
        except Refused:
            # The request of that time is not one that the platform takes; this run's may be.
            self._submit(run)
            return True
        self._arrived(run, record, identifier, adopted=True)
        return True

    def _arrived(self, run: Run, record: Record, identifier: str, *, adopted: bool) -> None:
        run.shared = adopted and self._journal.is_alive(record.engine)
        owner = record.engine if run.shared else self._journal.engine
        run.record = dataclasses.replace(record, id=identifier, engine=owner)
        self._journal.write(run.key, run.record)
        with self._lock:
            self._unanswered.pop(record.name, None)
            self._live[identifier] = run
        run.id = identifier
        run.arrived(identifier, adopted)
        self._watcher.add(identifier)

    def _words(self, run: Run) -> tuple[str, ...]:
        """Writes the script of a job and returns the command that runs it; without a shared folder, the line itself."""
        folder = self._options.folder
        if folder is None:
            return command.line_words(self._options.prelude + run.line)
        if run.inputs is not None:
            self._journal.write_file(f"{run.key}.inputs", run.inputs)
        self._journal.write_file(f"{run.key}.sh", command.script(folder, self._options.prelude + run.line))
        rule = names.slug(run.label)
        self._journal.write_launcher(rule, command.launcher())
        own = f"{folder}/.snakemake/canfar"
        return ("sh", f"{own}/rules/{rule}.sh", f"{own}/jobs", run.key)

    # Ends

    def _wait(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        try:
            return self._outage.persist(lambda: self._backend.wait_any(ids, seconds))
        except Stopped:
            return []
        except Exception as error:
            if self._stop.is_set():
                return []
            self._error(f"Waiting for jobs failed and goes on: {type(error).__name__}: {error}")
            self._stop.wait(RETRY_PAUSE)
            return []

    def _ended(self, ending: Ending) -> None:
        with self._lock:
            run = self._live.pop(ending.id, None)
        if run is None:
            return
        if ending.code in failure.INFRASTRUCTURE and run.infrastructure_retries < self._options.infrastructure_retries:
            run.infrastructure_retries += 1
            self._info(
                f"Job {ending.id} of {run.label} is submitted again ({run.infrastructure_retries} of "
                f"{self._options.infrastructure_retries}): {failure.cause_of(ending)}"
            )
            again = threading.Timer(
                RETRY_PAUSE * run.infrastructure_retries, self._do, [run, lambda: self._submit(run)]
            )
            again.daemon = True
            again.start()
            return
        self._do(run, lambda: self._conclude(run, ending))

    def _conclude(self, run: Run, ending: Ending) -> None:
        good = ending.state == "succeeded" or (
            # The platform has forgotten the job. Its own Snakemake has taken the marks away if it succeeded.
            ending.state == "gone" and run.made() and not run.marked_incomplete()
        )
        # Platforms without causes forget logs soon, so that they are fetched while they are there.
        if not good or self._options.keep_all_logs or not self._backend.tells_causes:
            self._fetch_log(run, ending.id)
        if good:
            self._finish(run, Outcome(None))
            return
        text = failure.message(ending, run.label, run.log, run.log_path, tells_causes=self._backend.tells_causes)
        self._finish(run, Outcome(text, (run.log_path,) if run.log_path else ()))

    def _fetch_log(self, run: Run, identifier: str) -> None:
        size = self._options.log_bytes
        try:
            run.log = self._outage.persist(lambda: self._backend.log_tail(identifier, size), LOG_SECONDS)
        except BackendError as error:
            run.log = f"(the log could not be fetched: {error})\n".encode()
            return
        if run.log:
            path = self._journal.logs / names.log_path(run.label, run.wildcards, identifier)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(run.log)
            run.log_path = os.path.relpath(path)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        with self._lock:
            if run.record is not None:
                self._unanswered.pop(run.record.name, None)
        run.outcome = outcome
        self._ready()

    def forget(self, run: Run, *, good: bool) -> None:
        """Removes what the journal has of a job that was reported."""
        if run.record is not None and not run.shared:
            self._journal.remove(run.key, run.record.key)
        if good and run.log_path is not None and not self._options.keep_all_logs:
            Path(run.log_path).unlink(missing_ok=True)

    def explain_missing_output(self, run: Run) -> None:
        """Says more about a job that succeeded without its outputs."""

        def explain() -> None:
            identifier = run.id or ""
            if not run.log:
                self._fetch_log(run, identifier)
            self._error(failure.missing_output(identifier, run.label, run.log, run.log_path))

        self._do(run, explain)

    def _explain_waits(self) -> None:
        """Tells why jobs wait, after a while and whenever the reason changes."""
        told = ""
        while not self._stop.wait(EXPLAIN_SECONDS):
            if not self._live:
                continue
            try:
                why = self._backend.why_waiting(names.name_prefix(self._options.identity))
            except BackendError:
                continue
            if why is not None and why != told:
                self._info(f"Jobs of this workflow wait: {why}")
            told = why or told

    # Cancelling and closing

    def cancel_waiting(self) -> None:
        """Cancels the jobs of this run that have not started."""

        def cancel() -> None:
            found = self._outage.persist(lambda: self._backend.find_by_name(names.name_prefix(self._options.identity)))
            with self._lock:
                ids = [job.id for job in found if job.state == "waiting" and self._is_own(job.id)]
            if ids:
                self._info(f"Cancelling {len(ids)} jobs that only wait.")
                self._outage.persist(lambda: self._backend.cancel(ids))

        self._workers.do(cancel)

    def _is_own(self, identifier: str) -> bool:
        return identifier in self._live and not self._live[identifier].shared

    def cancel(self) -> None:
        """Ends all jobs of this run. Says which it could not reach."""
        self._stop.set()
        self._workers.drop_waiting()
        self._watcher.wake()
        self._workers.settle(SETTLE_SECONDS)
        with self._lock:
            ids = [identifier for identifier in self._live if self._is_own(identifier)]
            unanswered = set(self._unanswered)
        deadline = time.monotonic() + SETTLE_SECONDS
        while ids or unanswered:
            try:
                if unanswered:
                    # A submission may have arrived although its answer did not.
                    found = self._backend.find_by_name(names.name_prefix(self._options.identity))
                    ids += [job.id for job in found if job.name in unanswered]
                    unanswered = set()
                self._backend.cancel(ids)
                return
            except BackendError as error:
                if time.monotonic() > deadline:
                    self._error(
                        f"Could not cancel {', '.join([*ids, *sorted(unanswered)])}: {error}. Cancel them by hand; "
                        "otherwise the next start of this workflow adopts them."
                    )
                    return
            time.sleep(1)

    def settle(self) -> None:
        """Waits a while for messages that are under way."""
        self._workers.settle(SETTLE_SECONDS)

    def close(self) -> None:
        """Ends the threads. Jobs go on."""
        self._stop.set()
        self._workers.drop_waiting()
        self._watcher.wake()
        self._journal.close()
        self._backend.close()

    def _task_failed(self, error: BaseException) -> None:
        if not isinstance(error, Stopped) and not self._stop.is_set():
            self._error(f"{type(error).__name__}: {error}")
