from itertools import product

import pytest
from prefect.client.schemas.objects import StateType
from prefect_canfar.sweep import Situation, situation

LIVE = ("held", "queued", "starting", "running", "stopping")
PENDING, RUNNING, CANCELLING = StateType.PENDING, StateType.RUNNING, StateType.CANCELLING


@pytest.mark.parametrize(
    ("run", "job", "expected"),
    [
        (PENDING, "queued", Situation.WAITS),
        (PENDING, "held", Situation.WAITS),
        (PENDING, "running", None),
        (PENDING, "failed", Situation.LOST),
        (PENDING, "cancelled", Situation.LOST),
        (PENDING, None, Situation.LOST),
        (PENDING, "succeeded", Situation.UNFINISHED),
        (RUNNING, "running", None),
        (RUNNING, "queued", None),
        (RUNNING, "failed", Situation.LOST),
        (RUNNING, "cancelled", Situation.LOST),
        (RUNNING, "succeeded", Situation.UNFINISHED),
        (CANCELLING, "queued", Situation.CANCEL_WAITING),
        (CANCELLING, "held", Situation.CANCEL_WAITING),
        (CANCELLING, "starting", Situation.CANCEL_RUNNING),
        (CANCELLING, "running", Situation.CANCEL_RUNNING),
        (CANCELLING, "stopping", Situation.CANCEL_RUNNING),
        (CANCELLING, "failed", Situation.CANCEL_ENDED),
        (CANCELLING, "succeeded", Situation.CANCEL_ENDED),
        (CANCELLING, None, Situation.CANCEL_ENDED),
    ],
)
def test_a_run_with_a_job(run: StateType, job: str | None, expected: Situation | None) -> None:
    assert situation(run, job, known=True) is expected


def test_a_run_without_a_job() -> None:
    assert situation(PENDING, None, known=False) is Situation.WITHOUT_JOB
    assert situation(CANCELLING, None, known=False) is Situation.CANCEL_WITHOUT_JOB
    assert situation(RUNNING, None, known=False) is None


def test_a_final_a_paused_and_a_scheduled_run_are_left_alone() -> None:
    others = [kind for kind in StateType if kind not in {PENDING, RUNNING, CANCELLING}]
    for run, job, known in product([*others, None], [*LIVE, "succeeded", "failed", None], [True, False]):
        assert situation(run, job, known=known) is None


def test_no_run_is_touched_while_its_job_lives_unless_it_is_to_be_cancelled_or_waits() -> None:
    for job in ("starting", "running", "stopping"):
        assert situation(PENDING, job, known=True) is None
        assert situation(RUNNING, job, known=True) is None


def test_situations_are_told_apart() -> None:
    assert len({one.label for one in Situation}) == len([*Situation]) == 8
