"""The whole form of a model: preset, data, what is in sight and what is a click away. It says what the page shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import streamlit as st

from genmodels.data import datasets
from genmodels.data.datasets import DATASETS
from genmodels.hyperparameters import Hyperparameter, Only, declared
from genmodels.models.base import GenerativeModel, Preset
from genmodels.training.settings import Settings
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.form import preset_time
from pages._ui.form.form import as_text, current, fields_of, hyperparameters, keep_in_url, put_right
from pages._ui.form.lesson import is_shown

__all__ = ["Chosen", "Start", "choose", "fill", "strokes"]

IN_SIGHT = 3  # hyperparameters of the model beside preset, data and the length of the training
OWN = "Custom"


@dataclass(frozen=True)
class Chosen:
    """The form's values for a new run: the arguments of :func:`genmodels.runs.store.create`."""

    data: str
    data_arguments: dict[str, Any]
    arguments: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """The form's first values: the settings of a run, or of the model's first preset.

    Attributes:
        data: A name of DATASETS.
        model: The model's hyperparameters; those left out are as declared.
        training: The training's settings; those left out are as the model wants them.
        data_arguments: What was drawn, where the data are a drawing.
    """

    data: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    data_arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def usual(cls, model: type[GenerativeModel]) -> "Start":
        """The model's first preset, which is known to work."""
        first = model.presets[0] if model.presets else Preset("", "digits")
        return cls(first.data, first.model, first.training)


def choose(
    cls: type[GenerativeModel], *, first: Sequence[str] | None = None, start: Start | None = None, drawn: bool = True
) -> Chosen:
    """The whole form of a model: preset, data, the model's hyperparameters, the training's.

    Args:
        cls: The model.
        first: The hyperparameters that are always in sight, the first three of these; the rest is one click away.
        start: What it says at first; the model's first preset otherwise.
        drawn: Whether there are widgets; without them it is as the URL says.
    """
    start = start or Start.usual(cls)
    usual = asdict(Settings.of({**cls.defaults, **start.training}))
    names = list(declared(cls))
    key = Hyperparameter("data", str, start.data, Only(tuple(DATASETS), "what the model learns"))
    if not drawn:
        chosen = fields_of({"data": key}, drawn=False)["data"]
        model = hyperparameters(cls, defaults=start.model, drawn=False)
        own = dict(start.data_arguments) if chosen == start.data else {}
        return Chosen(chosen, own, model, hyperparameters(Settings, defaults=usual, drawn=False))
    if is_shown("preset"):
        _presets(cls, start)
    chosen = fields_of({"data": key}, width="stretch")["data"]
    if is_shown("data"):
        st.caption(DATASETS[chosen].about)
    arguments = strokes(start.data_arguments) if chosen == "drawing" else {}
    model, rest = _model(cls, start.model, (first or names)[:IN_SIGHT], DATASETS[chosen].kind)
    settings, length = _length(usual)
    model |= _more("model", cls, start.model, rest)
    settings |= _more("training", Settings, usual, [name for name in usual if name not in ("epochs", "steps")], length)
    return Chosen(chosen, arguments, {name: model[name] for name in names}, {name: settings[name] for name in usual})


def fill(values: Mapping[str, Any]) -> None:
    """Set the form's fields to ``values``, by name, before it is drawn."""
    st.session_state.update({key: as_text(v) if isinstance(v, tuple | list) else v for key, v in values.items()})


def _model(
    cls: type[GenerativeModel], own: Mapping[str, Any], first: Sequence[str], kind: str
) -> tuple[dict[str, Any], list[str]]:
    """The model's hyperparameters that are in sight or do not count, and the names of the others that do.

    What does not count stays as it is declared, whatever the link says of it: nothing out of sight may be in the way.
    """
    known = {name: replace(one, default=own.get(name, one.default)) for name, one in declared(cls).items()}
    put_right(known)
    now = {name: current(name, one) for name, one in known.items()} | {"kind": kind}
    counting = [name for name, one in known.items() if one.counts(now)]
    silent = {name: one.default for name, one in declared(cls).items() if name not in counting}
    model = hyperparameters(cls, defaults=own, names=[name for name in first if name in counting])
    hyperparameters(cls, defaults=own, names=list(silent), drawn=False)  # says what the link has wrong there too
    return model | silent, [name for name in counting if name not in first]


def _length(usual: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The training's length, asked for once: in epochs, or in steps where it is set in steps; and what else says it."""
    steps = {"steps": replace(declared(Settings)["steps"], default=usual["steps"])}
    put_right(steps)
    in_epochs = current("steps", steps["steps"]) == 0
    settings = hyperparameters(Settings, defaults=usual, names=["epochs" if in_epochs else "steps"])
    if in_epochs:
        return settings, ["steps"]
    return settings | hyperparameters(Settings, defaults=usual, names=["epochs"], drawn=False), []


def _more(
    what: str, function: Callable[..., Any], defaults: Mapping[str, Any], names: Sequence[str], last: Sequence[str] = ()
) -> dict[str, Any]:
    """The hyperparameters that are one click away, ``last`` at the end; widgets are drawn once they are asked for."""
    names = [*names, *last]
    if not any(is_shown(name) for name in names):
        return hyperparameters(function, defaults=defaults, names=names)
    more, seen = st.expander(f"More {what} settings", key=f"more-{what}", on_change="rerun"), f"seen-more-{what}"
    drawn = st.session_state[seen] = bool(st.session_state.get(seen) or more.open)
    with more:
        values = hyperparameters(function, defaults=defaults, names=names, drawn=drawn)
    if not drawn:
        keep_in_url(values, {name: defaults.get(name, one.default) for name, one in declared(function).items()})
    return values


# Presets and drawings -------------------------------------------------------------------------------------------------


def _presets(cls: type[GenerativeModel], start: Start) -> None:
    """A menu of settings known to work; choosing one sets the whole form."""
    if not cls.presets:
        return
    plain = {name: one.default for name, one in declared(cls).items()} | asdict(Settings.of(cls.defaults))
    meant = {preset.title: plain | _flat(preset) for preset in cls.presets}
    spelt = {title: {key: as_text(value) for key, value in values.items()} for title, values in meant.items()}
    shown = (plain | _flat(start)).items()
    now = {key: as_text(st.session_state.get(key, st.query_params.get(key, value))) for key, value in shown}
    one = next((title for title, values in spelt.items() if values == now), OWN)
    if st.session_state.get("preset") != one:  # what is set anew in each run takes back a choice that is on its way
        st.session_state["preset"] = one

    def apply() -> None:
        fill(meant.get(st.session_state["preset"], {}))

    said, words = preset_time.labels(cls), "Settings known to work, and how long they take here."
    st.selectbox("Preset", [*meant, OWN], format_func=said, key="preset", on_change=apply, help=words)
    preset_time.note(cls, one)


def _flat(preset: Preset | Start) -> dict[str, Any]:
    return {"data": preset.data, **preset.model, **preset.training}


def strokes(start: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The visitor's own density, as the data set's arguments; at first ``start``, or the data set's own heart."""
    first = datasets.checked("drawing", start)
    begun = [{"width": 3 * first["width"], "points": [[x, 1 - y] for x, y in one]} for one in first["strokes"]]
    st.caption("Draw over it, or clear it and draw your own.")
    drawn = drawing_pad(
        key="strokes",
        alt="Draw a density for the model to learn.",
        digit=False,
        brush=0.06,
        side=220,
        strokes=begun,
    )
    if not drawn.strokes or list(drawn.strokes) == begun:
        return first
    strokes = [[[x, round(1 - y, 4)] for x, y in stroke["points"]] for stroke in drawn.strokes]
    width = sum(stroke["width"] for stroke in drawn.strokes) / len(drawn.strokes) / 3
    return {"strokes": strokes, "width": round(min(max(width, 0.005), 0.2), 4)}
