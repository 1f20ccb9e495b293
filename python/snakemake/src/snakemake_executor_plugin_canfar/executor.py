"""The executor: what Snakemake calls."""

import dataclasses
import os
import shlex
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from science_platform import ClientError
from science_platform.login import Identity
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings, DeploymentMethod, SharedFSUsage
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

from . import arguments, names, request, workflow_job
from .backend import Backend, Refused, Request, TokenRefused, Unavailable
from .command import quoted, scratch_prelude
from .connect import connect, has_renewable_token
from .engine import Engine, Options
from .journal import Journal
from .outage import Outage
from .roots import line_in_jobs, outside, parse_roots, path_in_jobs
from .run import Outcome, Run
from .settings import ExecutorSettings
from .skaha_backend import decoding_line

LONGEST_LIST = 20
"""Input files that the command of a job names; more stand in a file."""
START_SECONDS = 300.0
"""How long a start waits for a platform that is away."""


class Executor(RemoteExecutor):
    """Runs each job of a workflow as a job of the platform."""

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        """Sets all state before the base class, which starts a thread that calls `check_active_jobs` at once."""
        self._messages: Any = logger
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._runs: dict[JobExecutorInterface, Run] = {}
        self._said_runtime = False
        self._common: CommonSettings | None = None
        self._inputs: str | None = None
        self._inputs_path = ""
        super().__init__(workflow, logger)

    # Start and end

    def __post_init__(self) -> None:
        """Checks the settings, the folder and the token, and opens the journal."""
        workflow: Any = self.workflow
        self._settings: ExecutorSettings = self.workflow.executor_settings or ExecutorSettings()
        try:
            self._roots = parse_roots(self._settings.shared_roots)
        except ValueError as error:
            raise WorkflowError(f"--canfar-shared-roots: {error}.") from error
        self._refuse_what_cannot_work()
        usage = self.workflow.storage_settings.shared_fs_usage
        if SharedFSUsage.SOURCE_CACHE in usage and self._there(workflow.sourcecache.runtime_cache_path) is None:
            # The cache is in the home of this process, which the jobs do not see: they make their own.
            workflow.storage_settings.shared_fs_usage = frozenset(usage - {SharedFSUsage.SOURCE_CACHE})
        here = os.getcwd()
        self._folder = self._there(here) if self.workflow.storage_settings.assume_common_workdir else None

        try:
            identity = Identity(self._settings.url, None)
        except (ClientError, ValueError) as error:
            raise WorkflowError(str(error)) from error
        outage = Outage(
            identity.addresses.root,
            renewable_token=has_renewable_token(),
            info=self._messages.info,
            warn=self._messages.warning,
            stop=self._stop,
            give_up=self._give_up,
        )
        backend = self._connect(identity, outage)
        if self._folder is None and not backend.runs_lines:
            raise WorkflowError(
                "This platform cannot carry a shell line, and the jobs do not see the working directory, where their "
                "scripts are. Run the workflow in a folder that they share, such as one below /arc/projects/NAME."
            )
        self._engine = Engine(
            backend,
            Journal(Path(".snakemake/canfar").absolute()),
            outage,
            Options(
                folder=self._folder,
                identity=self._folder or here,
                prelude=self._prelude(backend),
                infrastructure_retries=self._settings.infrastructure_retries,
                log_bytes=self._settings.log_tail_kb * 1024,
                keep_all_logs=self._settings.keep_logs == "all",
            ),
            stop=self._stop,
            info=self._messages.info,
            error=self._messages.error,
            ready=self._wake.set,
        )

    def _prelude(self, backend: Backend) -> str:
        if self._folder is None:
            return scratch_prelude(self.get_python_executable())
        return "" if backend.runs_lines else decoding_line(self.get_python_executable())

    def _connect(self, identity: Identity, outage: Outage) -> Backend:
        def attempt() -> Backend:
            try:
                return connect(identity, self._settings, self._stop)
            except TokenRefused as error:
                login = "Log in (`canfar auth login`), or set CANFAR_URL and CANFAR_TOKEN."
                raise WorkflowError(f"{identity.addresses.root}: {error} {login}") from error
            except Refused as error:
                raise WorkflowError(f"{identity.addresses.root}: {error}") from error

        try:
            return outage.persist(attempt, START_SECONDS)
        except Unavailable as error:
            raise WorkflowError(f"{identity.addresses.root}: {error}") from error

    def _refuse_what_cannot_work(self) -> None:
        workflow: Any = self.workflow
        if workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("The executor canfar does not support --immediate-submit.")
        if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
            raise WorkflowError(
                "Apptainer cannot run inside the jobs of the platform. Leave out --sdm apptainer and set "
                "--canfar-use-rule-container: each job then runs in the image of its rule's 'container:'."
            )
        usage = self.workflow.storage_settings.shared_fs_usage
        paths = []
        if self.workflow.storage_settings.assume_common_workdir:
            paths.append(("working directory", os.getcwd()))
        if SharedFSUsage.SOURCES in usage:
            paths.append(("Snakefile", str(workflow.main_snakefile)))
            paths += [("configuration file", str(file)) for file in workflow.overwrite_configfiles]
        for what, path in paths:
            if self._there(path) is None:
                raise WorkflowError(outside(what, os.path.abspath(path), self._roots))

    def _there(self, path: str | Path) -> str | None:
        return path_in_jobs(str(path), self._roots)

    def _give_up(self, message: str) -> None:
        """Ends the run with an error and leaves all jobs alone. Called on other threads."""
        workflow: Any = self.workflow
        if not self._stop.is_set():
            self._stop.set()
            workflow.scheduler.executor_error_callback(WorkflowError(message))

    def shutdown(self) -> None:
        """Ends all threads. Jobs that run go on."""
        if not self._stop.is_set():
            self._engine.settle()
        self._stop.set()
        self._wake.set()
        super().shutdown()
        self._engine.close()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ctrl-C: ends all jobs of this run, also those that the base class does not list during a check."""
        self._messages.info("Cancelling the jobs of this run.")
        self._wake.set()
        self._engine.cancel()

    # Submission

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submits a job on another thread, or takes over the one that an earlier run has submitted."""
        try:
            run = self._prepare(job)
        except ValueError as error:
            self.report_job_error(SubmittedJobInfo(job), msg=f"The job was not submitted: {error}.\n")
            return
        self._runs[job] = run
        # Listed from now on, so that an outcome before the submission is reported too.
        with self.lock:
            self.active_jobs.append(SubmittedJobInfo(job, aux={"run": run}))
        self._engine.start(run)

    def _prepare(self, job: JobExecutorInterface) -> Run:
        members = workflow_job.members(job)
        image = request.image_of(
            job.resources,
            [one.container_img_url for one in members],
            use_containers=self._settings.use_rule_container,
            default=self._settings.image or self.workflow_image,
        )
        sizes = request.sizes(job.resources, job.threads, self._settings.time_margin)
        if sizes["time_seconds"] is None and not self._said_runtime:
            self._said_runtime = True
            self._messages.info(
                "Rules without the resource `runtime` (minutes) may wait longer: the platform fills gaps in its queue "
                "with jobs whose end it knows."
            )
        defaults = {name: getattr(self._settings, name) for name in ("group", "network", "when")}
        targets = workflow_job.targets(job)
        key = names.job_key(targets)
        self._inputs = None
        self._inputs_path = f"{self._folder}/.snakemake/canfar/jobs/{key}.inputs"
        line = line_in_jobs(self.format_job_exec(job), self._roots)
        return Run(
            key=key,
            label=str(job.name),
            wildcards={} if job.is_group() else targets[0][1],
            request=Request(
                name="",
                image=image,
                words=(),
                env={**self.envvars(), "TMPDIR": "/scratch"},
                options=request.options(job.resources, defaults),
                **sizes,
            ),
            line=line,
            inputs=self._inputs,
            digest=workflow_job.digest(job, image),
            wanted_for_outputs=workflow_job.wanted_for_outputs(job),
            made=lambda: workflow_job.made(job),
            marked_incomplete=lambda: workflow_job.marked_incomplete(job),
            arrived=lambda identifier, adopted: self._arrived(job, identifier, adopted),
        )

    @property
    def workflow_image(self) -> str | None:
        """`--container-image`."""
        settings: Any = self.workflow.remote_execution_settings
        image: str | None = settings.container_image
        return image

    def _arrived(self, job: JobExecutorInterface, identifier: str, adopted: bool) -> None:
        """Tells Snakemake the id. An adopted job has marked its outputs itself."""
        workflow: Any = self.workflow
        workflow.scheduler.submit_callback(job)
        if not adopted:
            try:
                job.register(external_jobid=identifier)
            except OSError as error:
                # As in the base class: the run goes on, and a kill may leave outputs that look complete.
                self._messages.warning(f"The outputs of {job.name} could not be marked as incomplete: {error}")
        self._messages.info(f"Submitted {job.name} as job {identifier}.")

    @property
    def common_settings(self) -> CommonSettings:
        """The plugin's settings, with `--canfar-install-storage` applied."""
        if self._common is None:
            plugin: Any = self.workflow.executor_plugin
            self._common = dataclasses.replace(
                plugin.common_settings, auto_deploy_default_storage_provider=self._settings.install_storage
            )
        return self._common

    def get_snakefile(self) -> str:
        """The Snakefile, with its path in the jobs. It is relative where the sources travel with the jobs."""
        path = str(self.snakefile)
        return (self._there(path) if path.startswith("/") else None) or path

    def get_python_executable(self) -> str:
        """The Python of the jobs, quoted for a shell."""
        if self._settings.python:
            return shlex.quote(self._settings.python)
        # The folder counts: the file itself is often a link to an interpreter elsewhere.
        folder = self._there(os.path.dirname(sys.executable))
        shared = SharedFSUsage.SOFTWARE_DEPLOYMENT in self.workflow.storage_settings.shared_fs_usage
        return shlex.quote(f"{folder}/{os.path.basename(sys.executable)}") if shared and folder else "python3"

    def get_job_args(self, job: JobExecutorInterface, **kwargs: Any) -> str:
        """Arguments of the job's own Snakemake, quoted for a shell."""
        # Without its cores, Snakemake in the job would use all of the node.
        line = str(RealExecutor.get_job_args(self, job, cores=max(1, job.threads)))
        workflow: Any = self.workflow
        line = arguments.requote(line, job, list(workflow.dag.get_unneeded_temp_files(job)))
        parts = [line, arguments.group_memory(job)]
        if SharedFSUsage.INPUT_OUTPUT in self.workflow.storage_settings.shared_fs_usage:
            files = [str(file) for file in job.get_wait_for_files()]
            if len(files) > LONGEST_LIST:
                self._inputs = line_in_jobs("".join(f"{file}\n" for file in files), self._roots)
                parts.append(quoted("--wait-for-files-file", [self._inputs_path]))
            else:
                parts.append(quoted("--wait-for-files", files))
        return " ".join(filter(None, parts))

    # Ends

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Reports the jobs whose outcome is known and yields the others. Waits for the next outcome, up to a second."""
        self.next_seconds_between_status_checks = 0
        if not any(_run(info).outcome for info in active_jobs):
            self._wake.wait(1)
        self._wake.clear()
        open_jobs = []
        for info in active_jobs:
            outcome = _run(info).outcome
            if outcome is None:
                open_jobs.append(info)
                continue
            info.external_jobid = _run(info).id
            try:
                if outcome.message is None:
                    self.report_job_success(info)
                else:
                    self._report_failure(info, outcome)
            except Exception as error:
                # An exception here would end this thread, and with it all watching.
                self._messages.error(f"The end of {info.job.name} could not be reported: {error}")
        for info in open_jobs:
            yield info

    def _report_failure(self, info: SubmittedJobInfo, outcome: Outcome) -> None:
        if info.job.is_group():
            # Snakemake shows no message for groups.
            self._messages.error(outcome.message)
        self.report_job_error(info, msg=outcome.message, aux_logs=list(outcome.logs))

    def handle_job_success(self, job: JobExecutorInterface) -> None:
        """Forgets a job whose outputs Snakemake has accepted."""
        super().handle_job_success(job)
        if run := self._runs.pop(job, None):
            self._engine.forget(run, good=True)

    def handle_job_error(self, job: JobExecutorInterface) -> None:
        """Forgets a job that has failed, or whose outputs are missing."""
        super().handle_job_error(job)
        run = self._runs.pop(job, None)
        if run is None:
            return
        if run.outcome is not None and run.outcome.message is None:
            self._engine.explain_missing_output(run)
        self._engine.forget(run, good=False)
        member: Any = job
        workflow: Any = self.workflow
        final = member.restart_times <= job.attempt - 1 and not workflow.execution_settings.keep_going
        if final and self._settings.cancel_queued_on_error:
            self._engine.cancel_waiting()


def _run(info: SubmittedJobInfo) -> Run:
    run: Run = (info.aux or {})["run"]
    return run
