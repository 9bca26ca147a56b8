"""The command line: ``python -m genmodels COMMAND``, one of :data:`COMMANDS`.

Every option of a model or of a training comes from its one declaration. Progress goes to stderr; the last line of
stdout is one JSON object (or, of a list, a table). Ends with 0; with 1 where a training failed; with 2 for bad input,
after one sentence that says what is allowed, and nothing written; with 130 where Ctrl-C stopped it, the run kept.
"""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from genmodels.cli import commands, experiment, hub, remote
from genmodels.cli.app import app
from genmodels.errors import BadInput, TrainingFailed
from genmodels.files import FULL
from genmodels.hyperparameters import Switch, declared
from genmodels.models import MODELS
from genmodels.text import quoted

__all__ = ["main"]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        message = _short(message, 400)
        raise BadInput(f"{message[:1].upper()}{message[1:]}: `{self.prog} --help` says what is allowed.")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        arguments = parsed(list(sys.argv[1:] if words is None else words))
        return arguments.act(arguments) or 0
    except (BadInput, TrainingFailed) as error:
        if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun started one speaks
            print(error, file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(_of_the_disk(error), file=sys.stderr)
        return 1 if error.errno in FULL else 2
    except KeyboardInterrupt:
        return 130


def _of_the_disk(error: OSError) -> str:
    """An error of the file system, told in one sentence."""
    if error.errno in FULL:
        return "The disk is full: make room, then try again."
    if error.filename is None:
        return f"The system refused: {error.strerror or error}."
    return f"{quoted(str(error.filename))} cannot be used: {error.strerror}. Name a place that can be read and written."


def parsed(words: list[str]) -> argparse.Namespace:
    """The command and its options; only the command that is named is asked for them, since they may need torch.

    Raises:
        BadInput: If they are not what the command allows.
    """
    parser = Parser(prog="python -m genmodels", description="An open laboratory of deep generative models.")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (act, options) in COMMANDS.items():
        one = choices.add_parser(name, help=act.__doc__, description=act.__doc__, allow_abbrev=False)
        one.set_defaults(act=act)
        if name in words[:1]:
            options(one)
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        known = [word for action in choices.choices[words[0]]._actions for word in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadInput(
            f"{_short(unknown[0])} is not allowed here: {hint}`{parser.prog} {words[0]} --help` says what is."
        )
    return arguments


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# Options --------------------------------------------------------------------------------------------------------------


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number of an option."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{_short(text)} is not a whole number from {low} to {high}")
        return int(text)

    return read


def add_json(parser: Parser) -> None:
    """Add ``--json``, for commands that print a list."""
    parser.add_argument("--json", action="store_true", help="for machines")


def add_model(parser: Parser) -> None:
    """Add the arguments of ``models``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="one of " + ", ".join(MODELS))
    add_json(parser)


def add_device(parser: Parser, default: str | None = None) -> None:
    """Add ``--device``, the device to compute on."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=default, help="auto: the GPU, if any")


def add_changes(parser: Parser) -> None:
    """What a new run may change: the model's hyperparameters, and each setting of a training by its own option."""
    from genmodels.training.settings import Settings

    parser.add_argument("--title", default="", help="its name for people")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter of the model"
    )
    group = parser.add_argument_group("training")
    for one in declared(Settings).values():
        bare = ("?", "true") if isinstance(one.rule, Switch) else (None, None)  # --compile alone says true
        text = f"{one.help}; {one.allowed} (default {one.default})".replace("%", "%%")
        flag = f"--{one.name.replace('_', '-')}"
        what: dict[str, Any] = {"dest": one.name, "default": argparse.SUPPRESS, "metavar": "VALUE", "help": text}
        group.add_argument(flag, nargs=bare[0], const=bare[1], **what)


def add_train(parser: Parser) -> None:
    """Add the arguments of ``train``."""
    parser.add_argument("model", metavar="MODEL", help="one of " + ", ".join(MODELS))
    parser.add_argument("--data", help="see `datasets` (default digits)")
    parser.add_argument("--preset", metavar="NAME", help="settings known to work: `models MODEL` lists them")
    parser.add_argument("--out", metavar="DIR", help="the run's folder (default: a new one where the app looks)")
    add_device(parser, "auto")
    add_changes(parser)
    rented = parser.add_argument_group("on a rented computer")
    rented.add_argument("--on", choices=("here", "hf-jobs"), default="here", help="where (default here)")
    rented.add_argument("--flavor", metavar="NAME", help="which computer of Hugging Face Jobs (default a10g-small)")
    rented.add_argument("--to", metavar="HF", help="where its run goes (default: $GENMODELS_HUB_REPO, or your own)")
    rented.add_argument("--timeout", metavar="TIME", help="when the Hub ends it (default 2h)")
    rented.add_argument("--image", metavar="NAME", help="Docker image (default python:3.12)")
    rented.add_argument("--private", action="store_true", help="a repository that must be made is private")


def add_follow(parser: Parser) -> None:
    """Add the arguments of ``follow``."""
    parser.add_argument("job", metavar="OWNER/JOB", help="as `train --on hf-jobs` said")


def add_resume(parser: Parser) -> None:
    """Add the arguments of ``resume``."""
    parser.add_argument("run", metavar="RUN", help="its id, or its folder")
    add_device(parser)


def add_fork(parser: Parser) -> None:
    """Add the arguments of ``fork``."""
    add_resume(parser)
    parser.add_argument("--step", type=whole(0, 10**12), required=True, metavar="N", help="the snapshot to begin from")
    add_changes(parser)


def add_source(parser: Parser) -> None:
    """For what asks a trained model something."""
    parser.add_argument(
        "source", metavar="RUN_OR_CHECKPOINT", help="a run's id, a bundled checkpoint, a folder, or hf://…"
    )
    parser.add_argument("--step", type=whole(0, 10**12), metavar="N", help="a run's snapshot (default: the newest)")
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, help="of all noise (default 0)")
    add_device(parser, "auto")


def add_sample(parser: Parser) -> None:
    """Add the arguments of ``sample``."""
    add_source(parser)
    parser.add_argument("-n", type=whole(1, 10**7), default=64, help="how many (default 64)")
    parser.add_argument("--out", required=True, metavar="FILE", help="x.npy, or grid.png")
    parser.add_argument("--draw", action="store_true", help="draw from the decoder's p(x | z) instead of its mean")
    parser.add_argument("--label", type=int, metavar="K", help="of class K, where the model learned the classes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="how a DDPM samples: steps=50")


def add_evaluate(parser: Parser) -> None:
    """Add the arguments of ``evaluate``."""
    add_source(parser)
    parser.add_argument("--data", help="what to measure on (default: what the model learned from)")
    parser.add_argument("-n", type=whole(10, 10**6), default=1000, help="test examples, and samples (default 1000)")
    parser.add_argument("-k", type=whole(0, 10**6), default=100, help="samples of a VAE's IWAE bound (default 100)")


def add_measuring(parser: Parser) -> None:
    """How a run is measured before it is shipped."""
    parser.add_argument("--snapshots", type=whole(0, 100), default=12, help="moments that go along (default 12)")
    parser.add_argument("--frames", type=whole(0, 90), default=60, help="moments whose picture does (default 60)")
    parser.add_argument("-n", type=whole(10, 10**6), default=1000, help="test examples, and samples (default 1000)")
    parser.add_argument("-k", type=whole(0, 10**6), default=100, help="samples of a VAE's IWAE bound (default 100)")
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, help="of all noise (default 0)")
    add_device(parser, "auto")


def add_export(parser: Parser) -> None:
    """Add the arguments of ``export``."""
    parser.add_argument("run", metavar="RUN", help="a run: its id, or its folder")
    parser.add_argument("folder", metavar="FOLDER", help="a new folder")
    kinds = ("checkpoint", "diffusers", "script", "notebook", "figures")
    parser.add_argument("--to", choices=kinds, default="checkpoint", help="what to make of it (default checkpoint)")
    add_measuring(parser)


def add_checkpoints(parser: Parser) -> None:
    """Add the arguments of ``checkpoints``."""
    parser.add_argument("place", nargs="?", metavar="HF", help="hf://owner/repo (default: $GENMODELS_HUB_REPO)")
    add_json(parser)


def add_app(parser: Parser) -> None:
    """Add the arguments of ``app``."""
    parser.add_argument("--port", type=whole(1, 65535), default=8501, help="where it answers (default 8501)")
    parser.add_argument("--address", default="127.0.0.1", help="127.0.0.1: this computer alone; 0.0.0.0: everybody")


def add_pull(parser: Parser) -> None:
    """Add the arguments of ``pull``."""
    parser.add_argument(
        "name", metavar="HF", help="hf://owner/repo[@revision][/subfolder], one of `checkpoints`, or a folder"
    )


def add_push(parser: Parser) -> None:
    """Add the arguments of ``push``."""
    parser.add_argument("run", nargs="*", metavar="RUN", help="finished runs, or bundled checkpoints")
    parser.add_argument("--to", metavar="HF", help="hf://owner/repo[/subfolder] (default: $GENMODELS_HUB_REPO)")
    parser.add_argument("--bundled", action="store_true", help="all checkpoints that ship with the library")
    parser.add_argument("--private", action="store_true", help="a repository that must be made is private")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, only list what would be sent")
    add_measuring(parser)


def add_experiment(parser: Parser) -> None:
    """Add the arguments of ``experiment``."""
    parser.set_defaults(experiment=experiment.listed, json=False)
    choices = parser.add_subparsers(metavar="WHAT")
    for name, act in experiment.ACTS.items():
        one = choices.add_parser(name, help=act.__doc__, description=act.__doc__, allow_abbrev=False)
        one.set_defaults(experiment=act)
        if name in ("list", "measures"):
            add_json(one)
            continue
        if name == "refresh":
            one.add_argument("names", metavar="NAME", nargs="*", help="of those that ship (default: all of them)")
            continue
        if name == "reproduce":
            one.add_argument("name", metavar="NAME", nargs="?", default="", help="of an entry (default: all of them)")
            continue
        one.add_argument("file", metavar="FILE", help="a .toml file, or the name of one that ships: `experiment list`")
        one.add_argument("--seeds", type=whole(1, 1000), metavar="N", help="seeds 0 … N − 1 instead of the declared")
        if name == "run":
            where = ("workers", "here", "ray", "hf-jobs")
            one.add_argument("--on", choices=where, default="workers", help="where (default: this computer's workers)")
            one.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: of this computer)")
            one.add_argument("--flavor", metavar="NAME", help="which computer of Hugging Face Jobs")
            one.add_argument("--to", metavar="HF", help="where its runs go (default: as of `train`)")
        formats = ("markdown", "latex", "csv", "json")
        one.add_argument("--format", choices=formats, default="markdown", help="of the table (default markdown)")


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int | None], Callable[[Parser], None]]] = {
    "app": (app, add_app),
    "models": (commands.models, add_model),
    "datasets": (commands.datasets, add_json),
    "runs": (commands.runs, add_json),
    "train": (remote.train, add_train),
    "follow": (remote.follow, add_follow),
    "resume": (commands.resume, add_resume),
    "fork": (commands.fork, add_fork),
    "sample": (commands.sample, add_sample),
    "evaluate": (commands.evaluate, add_evaluate),
    "experiment": (experiment.experiment, add_experiment),
    "export": (hub.export, add_export),
    "checkpoints": (hub.checkpoints, add_checkpoints),
    "pull": (hub.pull, add_pull),
    "push": (hub.push, add_push),
}
