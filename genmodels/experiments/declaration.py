"""An experiment as it is declared: a TOML file, checked whole before anything is written or trained.

::

    title = "Two families on two moons"
    data = ["two-moons"]
    seeds = 3                       # 0, 1, 2; or a list of seeds
    measures = ["kl", "sliced_w1"]  # see `python -m genmodels experiment measures`

    [settings]                      # of every training
    steps = 500

    [[models]]
    name = "flow"                   # in tables and figures
    model = "flow"
    arguments = { depth = 4 }
    settings = { lr = 1e-3 }
    vary = { depth = [2, 4] }       # a run for each; several multiply

    [[models]]
    model = "gan"
    preset = "Eight modes"          # its data, arguments and settings; what is said beside it counts instead

    [[models]]
    name = "shipped"
    checkpoint = "flow-two-moons"   # a finished run, or one that ships with the library: measured, not trained

    [measuring]
    n = 1000                        # test examples, and samples; k and seed as in `evaluate`

    [[figures]]
    title = "Sliced W1"
    bars = "sliced_w1"              # of a measure; or curves = "loss", of what the training logs; or draws = "samples"
"""

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.experiments import measures
from genmodels.experiments.measures import How
from genmodels.experiments.reading import known, several, table, text
from genmodels.files import BUNDLE, inside
from genmodels.hyperparameters import declared
from genmodels.models import model_class
from genmodels.models.base import Preset
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.text import quoted, titled

__all__ = ["FOLDER", "Case", "Experiment", "Figure", "Source", "parsed", "read", "shipped"]

FOLDER = BUNDLE / "experiments"
MOST_RUNS, MOST_BYTES, MOST_SEED = 1000, 100_000, 2**31 - 1


DRAWN = ("samples", "map", "denoising", "priors", "beside")


@dataclass(frozen=True)
class Figure:
    """A figure: ``bars`` of a measure, ``curves`` of a term that the trainings log, or what the runs ``of`` draw.

    ``draws`` is one of :data:`DRAWN`: samples through the training, the map of the latent plane through it, the way
    from noise to samples, the prior's density under the encoded test set, or samples of all of them beside real data.
    """

    title: str
    bars: str = ""
    curves: str = ""
    draws: str = ""
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """The table or figure of a source that an experiment reproduces.

    Attributes:
        name: Of the source.
        place: Which table or figure.
        theirs: Their numbers: by name of the row, by measure, the value in words.
        differs: What is different here, and why the numbers are, a sentence or two.
    """

    name: str
    place: str
    differs: str
    theirs: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Case:
    """One run of an experiment, before or after it was made.

    Attributes:
        name: What it is called in tables; those that differ by their seed alone have the same.
        data: A name of DATASETS.
        seed: Of its training.
        plan: What is to be trained; of a checkpoint what was.
        checkpoint: The name of a run that is there already, or "".
    """

    name: str
    data: str
    seed: int
    plan: Plan
    checkpoint: str = ""


@dataclass(frozen=True)
class Experiment:
    """A declared experiment; see the module for the meaning of each."""

    name: str
    title: str
    about: str
    measures: tuple[str, ...]
    how: How
    cases: tuple[Case, ...]
    figures: tuple[Figure, ...]
    source: Source | None
    path: Path | None = None

    @property
    def seeds(self) -> list[int]:
        """The seeds of what is trained."""
        return sorted({case.seed for case in self.cases if not case.checkpoint})


def shipped() -> list[str]:
    """The names of the experiments that ship with the library."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str, *, seeds: int | None = None) -> Experiment:
    """The experiment in the file ``name``, or the shipped one of that name.

    Args:
        name: A path that ends with .toml, or one of :func:`shipped`.
        seeds: How many seeds, from 0 on, instead of those declared.

    Raises:
        BadInput: If there is none, or anything in it is not allowed.
    """
    path = Path(name) if name.endswith(".toml") else inside(FOLDER, name).with_name(f"{name}.toml")
    if not path.is_file():
        raise BadInput(f"There is no experiment {quoted(name)}: it is a .toml file, or one of {', '.join(shipped())}.")
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"{quoted(name)} is larger than {MOST_BYTES:,} bytes: an experiment is a small file.")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not TOML, not text, or a number too long for one
        raise BadInput(f"{quoted(name)} is not TOML: {str(error)[:120]}.") from None
    if seeds is not None:
        raw["seeds"] = seeds
    return replace(parsed(raw, path.stem), path=path)


KEYS: dict[str, tuple[str, ...]] = {
    "an experiment": (
        *("title", "about", "data", "seeds", "measures", "settings", "models", "measuring", "figures", "source"),
    ),
    "a model": ("name", "model", "preset", "checkpoint", "arguments", "settings", "vary"),
    "a figure": ("title", "bars", "curves", "draws", "of"),
    "measuring": tuple(one.name for one in fields(How)),
    "a source": ("name", "place", "theirs", "differs"),
}
MEASURING = {"n": (10, 100_000), "k": (0, 100_000), "seed": (0, MOST_SEED)}


def parsed(raw: Mapping[str, Any], name: str) -> Experiment:
    """The experiment that the TOML of a file says, checked.

    Raises:
        BadInput: If a key is unknown, or a value is not allowed.
    """
    known(raw, "an experiment", KEYS["an experiment"])
    models = several(raw, "models", dict)
    for one in models:
        known(one, "a model", KEYS["a model"])
    own = [_preset(one).data for one in models if "preset" in one and "checkpoint" not in one]
    data = several(raw, "data", str, fewest=int(len(own) < len(models)))
    how = _how(table(raw, "measuring"))
    for place in dict.fromkeys([*data, *own]):
        if place not in DATASETS:
            raise BadInput(f"There are no data {quoted(place)}: they may be {', '.join(DATASETS)}.")
        measures.check(several(raw, "measures", str), place)
    seeds, settings = _seeds(raw.get("seeds", 1)), table(raw, "settings")
    trained = [one for one in models if "checkpoint" not in one]
    vary = [table(one, "vary") for one in trained]
    ways = sum(math.prod(len(several(one, key, None)) for key in one) for one in vary)
    if (count := max(1, len(data)) * len(seeds) * ways + len(models) - len(trained)) > MOST_RUNS:
        raise BadInput(f"These are {count:,} runs: an experiment has {MOST_RUNS:,} at most.")
    cases = [case for one in models for case in _cases(one, data, seeds, settings)]
    names = {(case.name, case.data, case.seed, case.checkpoint) for case in cases}
    if len(names) < len(cases):
        raise BadInput("Two models have the same name: give each a `name` of its own.")
    return Experiment(
        name,
        titled(text(raw, "title", name)),
        text(raw, "about", ""),
        tuple(several(raw, "measures", str)),
        how,
        tuple(sorted(cases, key=lambda case: (bool(case.checkpoint), case.seed))),  # each has one before one has two
        tuple(_figure(one, raw) for one in several(raw, "figures", dict, fewest=0)),
        _source(table(raw, "source")) if "source" in raw else None,
    )


def _cases(one: Mapping[str, Any], data: list[str], seeds: list[int], common: Mapping[str, Any]) -> Iterator[Case]:
    if "checkpoint" in one:
        if set(one) - {"name", "checkpoint"}:
            raise BadInput("A checkpoint is measured as it is: beside `checkpoint` it takes a `name` and nothing else.")
        run = store.find(text(one, "checkpoint", ""))
        if (plan := run.plan).data not in data:
            raise BadInput(f"Checkpoint {run.id} learned {plan.data}, which is not among the data of this experiment.")
        yield Case(text(one, "name", run.id), plan.data, int(plan.settings.get("seed", 0)), plan, run.id)
        return
    model, preset = text(one, "model", ""), _preset(one) if "preset" in one else None
    fields_of, arguments, settings = declared(model_class(model)), table(one, "arguments"), table(one, "settings")
    layers = [common, settings]
    if preset:
        data, arguments, layers = [preset.data], {**preset.model, **arguments}, [common, preset.training, settings]
    vary = {key: several(table(one, "vary"), key, None) for key in table(one, "vary")}
    for values in itertools.product(*vary.values()):
        chosen = dict(zip(vary, values, strict=True))
        of_model = {key: value for key, value in chosen.items() if key in fields_of}
        of_training = _merged(*layers, {k: v for k, v in chosen.items() if k not in fields_of})
        if "seed" in of_training:
            raise BadInput("The seed is not a setting of one model: `seeds` says those of all.")
        usual = f"{model}: {preset.title}" if preset else model
        name = " ".join([text(one, "name", usual), *(f"{key}={value}" for key, value in chosen.items())])
        for place in data:
            plan = store.planned(model, place, arguments={**arguments, **of_model}, settings=of_training)
            for seed in seeds:
                own = replace(plan, title=titled(f"{name} on {place}, seed {seed}"))
                yield Case(titled(name), place, seed, replace(own, settings={**plan.settings, "seed": seed}))


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of all layers, a later one's instead of an earlier one's; a length in epochs ends one in steps."""
    merged = dict[str, Any]()
    for layer in layers:
        merged |= {"steps": 0, **layer} if "epochs" in layer else layer
    return merged


def _preset(one: Mapping[str, Any]) -> Preset:
    """The preset that a model names by its title."""
    model, title = text(one, "model", ""), text(one, "preset", "")
    presets = {preset.title: preset for preset in model_class(model).presets}
    if title not in presets:
        raise BadInput(f"{quoted(title)} is not a preset of {model}: it may be {', '.join(presets) or 'none'}.")
    return presets[title]


def _how(raw: Mapping[str, Any]) -> How:
    known(raw, "measuring", KEYS["measuring"])
    for key, value in raw.items():
        low, high = MEASURING[key]
        if type(value) is not int or not low <= value <= high:
            raise BadInput(f"measuring.{key} = {quoted(value)} is not a whole number from {low} to {high:,}.")
    return How(**raw)


def _seeds(raw: Any) -> list[int]:
    """``n`` for 0 … n − 1, or a list of them."""
    seeds = list(range(min(raw, MOST_RUNS + 1))) if type(raw) is int and raw > 0 else raw
    good = isinstance(seeds, list) and bool(seeds) and all(type(s) is int and 0 <= s <= MOST_SEED for s in seeds)
    if not good or len(set(seeds)) < len(seeds):
        raise BadInput(f"seeds = {quoted(raw)} is neither how many, from 1 up, nor a list of different seeds.")
    if type(raw) is int and raw > MOST_RUNS:
        raise BadInput(f"{raw:,} seeds are too many: an experiment has {MOST_RUNS:,} runs at most.")
    return seeds


def _figure(raw: Mapping[str, Any], whole: Mapping[str, Any]) -> Figure:
    known(raw, "a figure", KEYS["a figure"])
    texts = {name: text(raw, name, "") for name in ("title", "bars", "curves", "draws")}
    figure = Figure(**texts, of=tuple(several(raw, "of", str, fewest=0)))
    if sum(map(bool, (figure.bars, figure.curves, figure.draws))) != 1:
        raise BadInput("A figure has either `bars`, of a measure, `curves`, of what a training logs, or `draws`.")
    if figure.draws not in ("", *DRAWN) or bool(figure.draws) != bool(figure.of):
        raise BadInput(f"What a figure `draws` is one of {', '.join(DRAWN)}, `of` some checkpoints.")
    if len({store.find(name).plan.data for name in figure.of}) > 1 and figure.draws == "beside":
        raise BadInput("What a figure draws beside each other has learned the same data.")
    if figure.bars and figure.bars not in whole["measures"]:
        raise BadInput(f"A figure shows bars of {quoted(figure.bars)}, which is not among the measures.")
    return figure


def _source(raw: Mapping[str, Any]) -> Source:
    known(raw, "a source", KEYS["a source"])
    told = table(raw, "theirs")
    theirs = {str(row): {str(k): str(v) for k, v in table(told, row).items()} for row in told}
    return Source(text(raw, "name", ""), text(raw, "place", ""), text(raw, "differs", ""), theirs)
