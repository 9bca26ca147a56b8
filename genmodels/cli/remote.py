"""What the command line does with rented computers: train on one, and come back to it."""

import json
import sys
from argparse import Namespace as Arguments
from typing import Any

from genmodels.cli import commands
from genmodels.cli.hub import came
from genmodels.cli.terminal import Progress
from genmodels.errors import BadInput

__all__ = ["follow", "train"]

RENTED = ("flavor", "to", "timeout", "image", "private")  # options of a computer that is not one's own


def train(arguments: Arguments) -> int | None:
    """Train a model on data: a new run, which the app shows too."""
    if arguments.on == "here":
        if said := [f"--{name}" for name in RENTED if getattr(arguments, name)]:
            raise BadInput(f"{', '.join(said)}: for --on hf-jobs, and here a run is trained on this computer.")
        return commands.train(arguments)
    from genmodels.hub import remote_jobs

    if arguments.out:
        raise BadInput("--out is for trainings on this computer: of a job --to names the place on the Hub.")
    words, data = words_of(arguments)
    place = remote_jobs.place_for(arguments.to, arguments.model, data)
    how: dict[str, Any] = {name: said for name in ("image", "timeout", "private") if (said := getattr(arguments, name))}
    job = remote_jobs.submit(words, place, flavor=arguments.flavor or "a10g-small", **how)
    price = remote_jobs.flavors().get(arguments.flavor or "a10g-small", 0.0)
    print(f"Job {job.name} is {job.stage.lower()}, at ${price:.2f} an hour: {job.url}", file=sys.stderr)
    return ended(job)


def follow(arguments: Arguments) -> int:
    """Come back to a training on Hugging Face Jobs: its log, and, when it has ended, its run."""
    from genmodels.hub import remote_jobs

    return ended(remote_jobs.find(arguments.job))


def ended(job: Any) -> int:
    """Show the job's log to its end, and fetch its run; Ctrl-C leaves the job alone."""
    from genmodels.hub import checkpoints, remote_jobs

    try:
        for line in remote_jobs.follow(job):
            print(line, file=sys.stderr)
    except KeyboardInterrupt:
        print(
            f"The job goes on, and costs: `python -m genmodels follow {job.name}` comes back to it; "
            f"its page {job.url} can end it.",
            file=sys.stderr,
        )
        return 130
    run = checkpoints.pull(job.place, Progress().of)
    print(json.dumps(came(run) | {"job": job.name}))
    return 0


def words_of(arguments: Arguments) -> tuple[list[str], str]:
    """The words of ``train`` for the job, and its data; checked as here, before anything is paid for.

    Raises:
        BadInput: If something is not allowed.
    """
    from genmodels.runs import store

    data, what = commands.asked(arguments)
    store.planned(arguments.model, data, **what)
    words = [arguments.model, "--data", data]
    said = {"preset": arguments.preset, "title": arguments.title, "device": arguments.device}
    words += [f"--{name}={value}" for name, value in said.items() if value and value != "auto"]
    words += [f"--set={pair}" for pair in arguments.set]
    words += [f"--{name.replace('_', '-')}={str(value).lower()}" for name, value in commands.given(arguments).items()]
    return words, data
