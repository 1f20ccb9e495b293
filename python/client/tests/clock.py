"""Carries out the steps of a call with a clock that only pauses move."""

from collections.abc import Callable
from typing import Any

from science_platform.errors import ClientError
from science_platform.steps import Answer, Now, Pause, Request, Step, Steps, Together


class Clock:
    """Answers requests by a function, and notes the pauses."""

    def __init__(self, server: Callable[[Request], Answer]) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._server = server

    def run(self, steps: Steps[Any]) -> Any:
        outcome: Any = None
        error: ClientError | None = None
        while True:
            try:
                step = steps.send(outcome) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value
            outcome = error = None
            try:
                outcome = self._do(step)
            except ClientError as failure:
                error = failure

    def _do(self, step: Step) -> Any:
        if isinstance(step, Now):
            return self.now
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.now += step.seconds
            return None
        if isinstance(step, Together):
            return [self.run(call) for call in step.calls]
        return self._server(step)
