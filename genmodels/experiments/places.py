"""Where the trainings of an experiment happen: here, in this computer's workers, on a cluster, or on rented computers.

One interface for all: ``train(plans)`` trains each to its end and tells how much of all is done. Whoever stops asking
stops the training, and what is there is kept. What came of each is in its run.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from genmodels.errors import BadInput, Busy, TrainingFailed
from genmodels.files import read_json, root, write_json
from genmodels.host.threads import settle_threads
from genmodels.hub import checkpoints, remote_jobs
from genmodels.jobs import queue
from genmodels.jobs.worker import Job
from genmodels.runs import store
from genmodels.runs.record import Plan, Status
from genmodels.runs.recorder import Recording
from genmodels.runs.run import Run
from genmodels.runs.store import Known, known

if TYPE_CHECKING:
    from genmodels.jobs.away.mirror import Mirror

__all__ = ["PLACES", "Here", "HuggingFace", "Place", "Queue", "Ray", "taken"]

SLICE = 0.1  # seconds of training between two looks
EVERY = 0.5  # seconds between two looks at the workers
JOBS = ".jobs.json"  # in the folder of the runs: the names of the jobs that are paid for, by what they train
LOOKS = 10  # at a cluster between two looks at whether to go on


class Place(Protocol):
    """Somewhere to train."""

    def train(self, plans: Sequence[Plan]) -> Generator[float, None, None]:
        """Train what is planned to its end; yields how much of all is done, 0 to 1.

        Raises:
            BadInput: If the place cannot do it.
        """


def taken(plan: Plan, among: Known) -> Run:
    """The run of this plan, to be begun or gone on with: the one that was made, else a new one."""
    return store.made(plan, among) or store.create(**store.like(plan, title=plan.title, device=plan.device))


class Here:
    """This process, one run after the other.

    Args:
        slice: Seconds of training between two looks at whether to go on.
    """

    def __init__(self, slice: float = SLICE) -> None:
        self.slice = slice

    def train(self, plans: Sequence[Plan]) -> Generator[float, None, None]:
        """See :class:`Place`."""
        among = known()
        for i, plan in enumerate(plans):
            for done in self._one(taken(plan, among)):
                yield (i + done) / len(plans)

    def _one(self, run: Run) -> Generator[float, None, None]:
        run.want(want="run", until=None)
        run.say(deaths=0)
        settle_threads(many=run.plan.heavy)
        try:
            recording = Recording(run)
        except Busy:  # some other process is at it: the next look finds it finished
            return
        ended, job = False, Job(run, recording)
        try:
            while not ended and job.over() is None:
                if job.ready(time.monotonic()):
                    ended = not job.advance(self.slice)
                else:
                    time.sleep(0.02)
                yield recording.training.step_ / max(1, recording.training.total)
        except Exception:  # the run says why, and the others go on
            ended = True
        finally:
            recording.close(None if ended else Status.STOPPED)


class Queue:
    """The workers of this computer, which take turns over all runs; as many at once as there are.

    Those of the app, where it runs on the same folder of runs; else some of its own, for as long as it trains.
    """

    def train(self, plans: Sequence[Plan]) -> Generator[float, None, None]:
        """See :class:`Place`."""
        among = known()
        queue.check_room(len(plans))
        runs = [taken(plan, among) for plan in plans]
        own = None if queue.served() else queue.Pool()
        try:
            for run in runs:
                if not _is_going(run):
                    queue.submit(run)
            while True:
                going = [_is_going(run) for run in runs]
                yield _done(runs, going)
                if not any(going):
                    return
                time.sleep(EVERY)
        finally:
            for run in runs:
                with suppress(BadInput):  # deleted meanwhile
                    if _is_going(run):
                        queue.stop(run)
            if own:
                own.close()


def _is_going(run: Run) -> bool:
    """Whether it waits, moves, or is between two workers, of which one died."""
    with suppress(BadInput):  # deleted meanwhile
        return run.state().status.is_going or run.id in queue.waiting()
    return False


def _done(runs: Sequence[Run], going: Sequence[bool]) -> float:
    """How much of the trainings is done, 0 to 1; one that has ended is done, however it ended."""
    return sum(run.said().progress if is_going else 1.0 for run, is_going in zip(runs, going, strict=True)) / len(runs)


class Ray:
    """The workers of a Ray cluster, one a GPU or a processor core; what they write comes back as they go.

    Args:
        address: "host:port"; "": that of ``RAY_ADDRESS``, or else a cluster of this computer while it trains.
    """

    def __init__(self, address: str = "") -> None:
        self.address = address

    def train(self, plans: Sequence[Plan]) -> Generator[float, None, None]:
        """See :class:`Place`."""
        from genmodels.jobs.away.mirror import Mirror
        from genmodels.jobs.away.ray_cluster import connect

        cluster = connect(self.address)
        mirror, runs = Mirror(cluster), list[Run]()
        try:
            while not mirror.is_ready:
                yield _turned(mirror, runs)
            among = known()  # nothing was written before
            runs = [taken(plan, among) for plan in plans]
            for run in runs:
                with suppress(Busy):  # some other process is at it: the next look finds it finished
                    mirror.take(run)
                    run.want(want="run", until=None)
                    run.say(status=Status.QUEUED, message="", deaths=0)
            while mirror.jobs:
                yield _turned(mirror, runs)
        except BadInput as error:
            kept = " What had come back is kept: the same command goes on from there." if runs else ""
            mirror.let_go(Status.STOPPED, f"{error} Resume goes on from what had come back.")
            raise BadInput(f"{error}{kept}") from None
        finally:
            mirror.close(Status.STOPPED, "")
            cluster.close()


def _turned(mirror: "Mirror", runs: Sequence[Run]) -> float:
    """How much of the trainings is done, after some more looks at the cluster that they are on."""
    for _ in range(LOOKS):
        mirror.turn()
        if mirror.trouble:
            raise BadInput(mirror.trouble)
    return _done(runs, [f"runs/{run.id}" in mirror.jobs for run in runs]) if runs else 0.0


class HuggingFace:
    """Rented computers of Hugging Face Jobs, one for each run, all at once; what they make is pulled.

    Which job trains what is kept until it has ended, so that no call pays twice.
    """

    def __init__(self, flavor: str = "a10g-small", to: str | None = None) -> None:
        self.flavor, self.to = flavor, to

    def train(self, plans: Sequence[Plan]) -> Generator[float, None, None]:
        """See :class:`Place`. Jobs whose end nobody waits for go on; the next call, and `follow`, come back to them."""
        jobs = []
        for plan in plans:
            jobs.append(self._job(plan))
            yield 0.0
        for i, (plan, job) in enumerate(zip(plans, jobs, strict=True)):
            with suppress(TrainingFailed):  # its log says why; the others go on
                for _ in remote_jobs.follow(job):
                    yield i / len(jobs)
                checkpoints.pull(job.place)
            _keep(plan, "")
            yield (i + 1) / len(jobs)

    def _job(self, plan: Plan) -> remote_jobs.Job:
        """The job that was begun for it, unless it failed; else a new one, which is named at once, for it costs."""
        if name := _kept().get(_key(plan)):
            job = remote_jobs.find(name)
            if job.stage == "COMPLETED" or job.stage not in remote_jobs.ENDED:
                return job
        place = remote_jobs.place_for(self.to, plan.model, plan.data)
        if self.to and place.subfolder:  # one folder for each
            place = type(place)(place.repo, subfolder=f"{place.subfolder}-{_key(plan)[:8]}")
        job = remote_jobs.submit(words(plan), place, flavor=self.flavor)
        print(f"Job {job.name} trains {plan.title}: {job.url}", file=sys.stderr)
        _keep(plan, job.name)
        return job


def _key(plan: Plan) -> str:
    return hashlib.sha256(store.asked(plan).encode()).hexdigest()


def _kept() -> dict[str, str]:
    """The jobs by the keys of what they train.

    Raises:
        Damaged: If the file is; a job that it named would be paid for again.
    """
    return dict(read_json(root() / JOBS)) if (root() / JOBS).exists() else {}


def _keep(plan: Plan, job: str) -> None:
    """Keep the name of the job that trains it; "" where none does any more."""
    others = {key: name for key, name in _kept().items() if key != _key(plan)}
    write_json(root() / JOBS, others | ({_key(plan): job} if job else {}))


def words(plan: Plan) -> list[str]:
    """What stands after ``train`` on a command line that makes this run: every argument and setting.

    >>> words(Plan(model="gan", data="digits", arguments={"hidden": 8}, settings={"batch_size": 16}))
    ['gan', '--data', 'digits', '--title=untitled', '--set=hidden=8', '--batch-size=16']
    """
    text = lambda value: ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)  # noqa: E731
    said = [plan.model, "--data", plan.data, f"--title={plan.title}"]
    said += [f"--set={name}={text(value)}" for name, value in plan.arguments.items() if name != "model"]
    return said + [f"--{name.replace('_', '-')}={str(value).lower()}" for name, value in plan.settings.items()]


PLACES: dict[str, Callable[..., Place]] = {"workers": Queue, "here": Here, "ray": Ray, "hf-jobs": HuggingFace}
"""By the names that the command line calls them by; the first is the default."""
