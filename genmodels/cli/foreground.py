"""A run trained in the foreground: from a terminal, by one process or by several that torchrun started."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from genmodels.cli.terminal import Progress
from genmodels.errors import TrainingFailed
from genmodels.host.threads import looking_again, settle_threads
from genmodels.jobs.worker import Job
from genmodels.runs.record import Status
from genmodels.runs.recorder import Recording
from genmodels.runs.run import Run
from genmodels.training.distributed import Processes
from genmodels.training.loop import Step

__all__ = ["conduct", "stopping"]

ASK_EVERY = 20  # steps between two looks at whether several processes should stop

Asked = Callable[[], int]


def conduct(run: Run, processes: Processes, device: str) -> int:
    """Train a run to its end, unless somebody stops it; the run says what came of it.

    Args:
        run: The run, new or to be resumed.
        processes: Who trains it; each of them calls this.
        device: Where this process trains.

    Returns:
        The number of the signal that stopped it, or 0.

    Raises:
        BadInput: If another process is training it.
        TrainingFailed: If it cannot go on, with the sentence that the run keeps.
    """
    settle_threads(many=run.plan.heavy)
    with stopping() as asked:
        recording = Recording(run, device=device, rank=processes.rank, world=processes.world)  # or is refused
        try:
            if processes.rank == 0:
                run.want(want="run", until=None)
                run.say(deaths=0)
        except OSError:
            recording.close()
            raise
        try:
            ended = together(recording, processes, asked) if processes.world > 1 else alone(recording, asked)
            recording.close(None if ended else Status.STOPPED)
        except Exception as error:
            recording.close()
            raise TrainingFailed(run.state().message if recording.failed else str(error)) from error
        return 0 if ended else asked()


def alone(recording: Recording, asked: Asked) -> bool:
    """Train until the end, or as the pages say (pause, step, slow motion, stop): whether the end came."""
    job = Job(recording.run, recording)
    job.steps = looking_again(Progress().follow(job.steps))
    while not asked() and job.over() is None:
        if not job.ready(time.monotonic()):
            time.sleep(0.02)
        elif not job.advance(0.1):
            return True
    return False


def together(recording: Recording, processes: Processes, asked: Asked) -> bool:
    """Train in several processes, which must all stop at the same step: whether the end came."""
    steps: Iterator[Step] = recording.steps()
    for step in steps if processes.rank else Progress().follow(steps):
        if step.step % ASK_EVERY == 0 and step.step < step.total:
            stop = bool(asked()) or (processes.rank == 0 and recording.run.control()["want"] == "stop")
            if processes.any(stop):
                return False
    return True


@contextmanager
def stopping() -> Iterator[Asked]:
    """Ctrl-C and SIGTERM ask for an end after the step that is being taken; a second Ctrl-C does not wait for it."""
    received = [0]

    def ask(number: int, _: object) -> None:
        if received[0] and number == signal.SIGINT:
            raise KeyboardInterrupt
        received[0] = number

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
