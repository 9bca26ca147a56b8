"""Which run a model's page shows, what it is called, and whether the form still says what it is."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.glossary import label
from genmodels.host import health
from genmodels.hyperparameters import declared
from genmodels.models import model_class
from genmodels.models.base import GenerativeModel, Preset
from genmodels.runs import store
from genmodels.runs.store import Run
from genmodels.training.settings import Settings
from pages._ui.form.choose import Chosen, Start, fill
from pages._ui.form.lesson import is_shown
from pages._ui.form.visit import has_just_begun
from pages._ui.shared.hub_buttons import on_the_hub

__all__ = [
    "changed",
    "current",
    "keep",
    "named",
    "opening",
    "refill",
    "say_whether_changed",
    "show",
    "start_of",
    "to_refill",
]

NAMED = 3  # settings that are said to be changed


def current(model: str, opens: str = "") -> Run | None:
    """The run in the URL, the one last seen on this page, or ``opens`` of those that ship with the app.

    A link to settings alone opens on those: then the URL names no run.
    """
    name = st.query_params.get("run", st.session_state.get(f"run/{model}"))
    if name is None:
        run = opening(model, opens)
        if run is not None and st.query_params.keys().isdisjoint(_fields(model)):
            show(model, run)
        return run
    try:
        run = on_the_hub(name) if name.startswith("hf://") else store.find(name)
        if run is None:
            return None
        if why := run.damage():
            raise BadInput(why)
        if run.plan.model != model:
            raise BadInput(f"Run {name} is one of {run.plan.model}, not of {model}.")
    except BadInput as error:
        said = str(error).replace("`python -m genmodels runs` lists them", "*Runs* lists those that there are")
        st.warning(f"{said} {health.keeping()}")  # on a Space it may have been lost
        st.session_state.pop(f"run/{model}", None)
        return None
    show(model, run, name)
    return run


def opening(model: str, name: str = "") -> Run | None:
    """Of those that ship with the app ``name``, or the one most like the model's first preset."""
    cls = model_class(model)
    first = cls.presets[0] if cls.presets else Preset("", "")
    wanted = {name: one.default for name, one in declared(cls).items()} | first.model

    def unlike(run: Run) -> tuple[bool, bool, int]:
        others = sum(value != wanted.get(name) for name, value in run.plan.arguments.items())
        return run.id != name, run.plan.data != first.data, others

    return min((run for run in store.bundled() if run.plan.model == model), key=unlike, default=None)


def show(model: str, run: Run, name: str = "") -> None:
    """Say in the URL which run is shown; by ``name`` where that is one that others know it by (hf://…)."""
    said = name if name.startswith("hf://") else run.id
    st.session_state[f"run/{model}"] = said
    if st.query_params.get("run") != said:
        st.query_params["run"] = said


def named(run: Run, step: int | None) -> str:
    """What is shown, in a line of Markdown: the kind of run, its name, the step, the data."""
    kind = "Checkpoint" if run.is_bundled or run.plan.origin else "Run"
    at = "" if step is None else f", step {step:,}"
    data = DATASETS[run.plan.data].title if run.plan.data in DATASETS else run.plan.data
    return f"{kind} **{run.plan.title}**{at} · {data}"


# The form and the run -------------------------------------------------------------------------------------------------


def start_of(model: str, run: Run | None) -> Start:
    """What the form says at first: what the run in the URL was made of; without one, the model's first preset.

    What this version does not allow of it is left at its default.
    """
    cls = model_class(model)
    usual = Start.usual(cls)
    if run is None or "run" not in st.query_params:
        return usual
    plan = run.plan
    data = plan.data if plan.data in DATASETS else usual.data
    return Start(data, _allowed(cls, plan.arguments), _allowed(Settings, plan.settings), plan.data_arguments)


def to_refill(model: str) -> None:
    """From the page's next run on its form says what the new run is made of, but for what is changed until then."""
    st.session_state["fill"] = {name: st.session_state.get(name) for name in _fields(model)}


def refill(model: str, start: Start, run: Run | None) -> None:
    """Where another run is shown than before, the form says what that is made of; what it said before is forgotten.

    Streamlit keeps for a widget of the same name, on whichever page, what a setting in the URL was: who comes back to
    the same run finds the form as he left it, but for what the link says.
    """
    back = has_just_begun()
    before, st.session_state["form of"] = st.session_state.get("form of"), model if run is None else run.id
    said = st.session_state.pop("fill", None)
    if said is not None:
        cls = model_class(model)
        plain = {one.name: one.default for one in (*declared(cls).values(), *declared(Settings).values())}
        values = plain | {"data": start.data, **start.model, **start.training}
        fill({name: one for name, one in values.items() if st.session_state.get(name) == said.get(name)})
    elif back or before != st.session_state["form of"]:
        kept = st.session_state.get("form said", {}) if before == st.session_state["form of"] else {}
        for name in _fields(model):
            if name in st.query_params or name not in kept:
                st.session_state.pop(name, None)
            elif st.session_state.get(name) != kept[name]:  # set otherwise by a page of the lab
                st.session_state[name] = kept[name]


def keep(model: str) -> None:
    """What the form says now is what it says when its reader comes back to the same run."""
    there = [name for name in _fields(model) if name in st.session_state]
    st.session_state["form said"] = {name: st.session_state[name] for name in there}


def say_whether_changed(note: Any, chosen: Chosen, run: Run | None) -> None:
    """In ``note``, a place of the form: whether that says what the run was made of, or Train would make another."""
    names = [] if run is None else changed(chosen, run)
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        said = ", ".join(label(name) for name in names[:NAMED])
        note.markdown(f"**Settings changed: press Train** :small[({said}{more})]")
    elif run is not None and is_shown("form"):
        note.caption("Settings of what is shown")
    else:
        note.empty()


def changed(chosen: Chosen, run: Run) -> list[str]:
    """The names of what the form has otherwise than the run, where it counts: Train would make another model."""
    plan, cls = run.plan, model_class(run.plan.model)
    model, training = _allowed(cls, plan.arguments), _allowed(Settings, plan.settings)
    now = chosen.arguments | {"kind": DATASETS[chosen.data].kind}
    found = ["data"] if (chosen.data, _json(chosen.data_arguments)) != (plan.data, _json(plan.data_arguments)) else []
    found += [
        name
        for name, one in declared(cls).items()
        if one.counts(now) and chosen.arguments[name] != model.get(name, one.default)
    ]
    silent = {"epochs"} if chosen.settings["steps"] else set()  # a length in steps leaves none in epochs
    return found + [
        name
        for name, one in declared(Settings).items()
        if name not in silent and chosen.settings[name] != training.get(name, one.default)
    ]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)


def _fields(model: str) -> set[str]:
    """What the form has in the URL."""
    return {"data", *declared(model_class(model)), *declared(Settings)}


def _allowed(function: Callable[..., Any] | type[GenerativeModel], values: Mapping[str, Any]) -> dict[str, Any]:
    known, kept = declared(function), {}
    for name in values.keys() & known.keys():
        try:
            kept[name] = known[name].check(values[name])
        except BadInput:
            continue
    return kept
