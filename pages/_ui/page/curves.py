"""Every term of a training as it comes, as trained and held out, and other runs beside it."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from genmodels.figures import LATENT, POSTERIOR, RUNS
from genmodels.quantities import quantity
from genmodels.runs.classroom import differences
from genmodels.runs.record import CLOCK, Plan
from genmodels.runs.store import Run
from pages._ui.components.live_chart import Panel, Series, live_chart
from pages._ui.form.url_widgets import some_of_many
from pages._ui.shared.run_cache import Stamp, metrics, others, stamp

__all__ = ["beside", "curves"]

IN_SIGHT = 2  # panels, before the others are asked for
HELD_OUT = "held-out "
BESIDE_IT = "beside"  # in the URL: the ids of the runs that are drawn beside the page's
BESIDE = {" (exact)": "exact, of 400 points", " (flow)": "less 2λP", " (slope 1)": "at slope 1"}
"""A term whose name ends so is drawn beside what it is of; the last is of runs from before the one above it."""

Table = list[dict[str, float]]


def curves(together: Sequence[Run], *, marker: float | None, units: Mapping[str, str], first: Sequence[str]) -> None:
    """Draw the terms of a run, and of others beside it: two in sight, the others a click away.

    Args:
        together: The run, and the others.
        marker: The step at which the time machine stands.
        units: The unit of each term that the model means otherwise than :mod:`genmodels.quantities` says.
        first: Terms whose panels come first.
    """
    names = ["train" if len(together) == 1 else f"{i}. {one.plan.title}" for i, one in enumerate(together, 1)]
    drawn = [
        _series(stamp(one.path / "metrics.jsonl"), name, RUNS[i % len(RUNS)])
        for i, (one, name) in enumerate(zip(together, names, strict=True))
    ]
    terms = list(dict.fromkeys(term for series in drawn for term in series))
    terms.sort(key=lambda term: first.index(term) if term in first else len(first))
    if not terms:
        status = together[0].state().status
        st.caption("The first point is on its way." if status.is_going else "It has no curves.")
        return
    known = {term: quantity(term, units.get(term, "")) for term in terms}
    panels = [
        Panel(one.title, one.unit, [line for series in drawn for line in series.get(term, ())], about=one.explained)
        for term, one in known.items()
    ]
    live_chart(panels, key=f"curves-{together[0].id}", marker=marker, columns=2, height=240, in_sight=IN_SIGHT)


def beside(run: Run) -> list[Run]:
    """Other runs of the same model, as the reader chooses and the URL keeps; at first what this one was forked from."""
    offered = others(run)
    if not offered:
        return []
    parent, key = run.plan.parent, f"beside-{run.id}"
    own = parent.run if parent and parent.run in offered else ""
    plan = stamp(run.path / Plan.FILE)
    label = lambda name: _told(plan, stamp(offered[name][0].path / Plan.FILE), offered[name][1])  # noqa: E731
    usual = [own] if own else []
    chosen = some_of_many("Compare with other runs", list(offered), usual, url=BESIDE_IT, key=key, told=label)
    return [offered[name][0] for name in chosen]


@functools.lru_cache(maxsize=1024)
def _told(run: Stamp, beside_it: Stamp, title: str) -> str:
    """The other's title, in what it differs from the run, and the end of its id, which no other has; by their plans."""
    other = Run(Path(beside_it[0]).parent)
    own, plan = Run(Path(run[0]).parent).plan, other.plan
    varied = differences([own, plan])[1].removeprefix(f"{plan.model} on {plan.data}").removeprefix(", ")
    seed = f"seed {plan.settings.get('seed')}" if plan.settings.get("seed") != own.settings.get("seed") else ""
    data = f"on {plan.data}" if plan.data != own.data and plan.data not in title else ""
    return " · ".join(part for part in (title, data, varied, seed, other.id[-6:]) if part)


def _names(table: Table) -> list[str]:
    """Of all that any line holds; most lines hold the same."""
    return list(dict.fromkeys(name for names in dict.fromkeys(map(tuple, table)) for name in names))


def _terms(names: Sequence[str]) -> list[str]:
    terms = dict.fromkeys(name.removeprefix(HELD_OUT) for name in names)
    return [term for term in terms if term not in CLOCK and not term.endswith(tuple(BESIDE))]


@functools.lru_cache(maxsize=256)
def _series(found: Stamp, name: str, color: str) -> dict[str, list[Series]]:
    """The curves of each term of a run: as trained, held out, and exact; made once for all who look."""
    table = metrics(Run(Path(found[0]).parent))
    alone, names = name == "train", _names(table)
    curves: dict[str, list[Series]] = {}
    for term in _terms(names):
        drawn = [(term, name, color), (HELD_OUT + term, "held out" if alone else f"{name}, held out", color)]
        for (end, what), own in zip(BESIDE.items(), (LATENT, POSTERIOR, POSTERIOR), strict=True):
            key = term + end if term + end in names else HELD_OUT + term + end
            drawn.append((key, what if alone else f"{name}, {what}", own if alone else color))
        for key, label, own in drawn:
            rows = [row for row in table if key in row]
            if rows:
                x, y = (np.array([row[axis] for row in rows], float) for axis in ("step", key))
                curves.setdefault(term, []).append(Series(label, x, y, own, held_out=key != term))
    return curves
