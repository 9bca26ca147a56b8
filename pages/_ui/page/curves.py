"""Every term of a training as it comes, as trained and held out, and other runs beside it."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from genmodels.figures import LATENT, POSTERIOR, RUNS
from genmodels.runs.record import CLOCK, Status
from genmodels.runs.store import Run
from pages._ui.components.live_chart import Line, Panel, Series, live_chart
from pages._ui.shared.run_cache import Stamp, metrics, others, stamp

__all__ = ["beside", "curves"]

HELD_OUT = "held-out "
BESIDE = {" (exact)": "exact, of 400 points", " (flow)": "less 2λP", " (slope 1)": "at slope 1"}
"""A term whose name ends so is drawn beside what it is of; the last is of runs from before the one above it."""

Table = list[dict[str, float]]


def curves(
    together: Sequence[Run],
    *,
    marker: float | None,
    units: Mapping[str, str],
    lines: Mapping[str, Sequence[Line]],
    first: Sequence[str],
) -> None:
    """Draw the terms of a run, and of others beside it.

    Args:
        together: The run, and the others.
        marker: The step at which the time machine stands.
        units: The unit of each term whose name does not say it.
        lines: Exact values and floors across a term's panel.
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
        ended = together[0].state().status is Status.FINISHED
        st.caption("It came without curves." if ended else "The first point is on its way.")
        return
    panels = [
        Panel(
            term.replace("_", " "),
            units.get(term, _unit(term)),
            [one for series in drawn for one in series.get(term, ())],
            lines.get(term, ()),
        )
        for term in terms
    ]
    live_chart(panels, key=f"curves-{together[0].id}", marker=marker, columns=2, height=170)


def beside(run: Run) -> list[Run]:
    """Other runs of the same model, as the reader chooses; at first the run that this one was forked from."""
    offered = others(run)
    if not offered:
        return []
    parent = run.plan.parent
    usual = [parent.run] if parent and parent.run in offered else []
    key = f"beside-{run.id}"
    chosen = st.multiselect("runs beside it", list(offered), usual, format_func=lambda name: offered[name][1], key=key)
    return [offered[name][0] for name in chosen]


def _names(table: Table) -> list[str]:
    """Of all that any line holds; most lines hold the same."""
    return list(dict.fromkeys(name for names in dict.fromkeys(map(tuple, table)) for name in names))


def _terms(names: Sequence[str]) -> list[str]:
    terms = dict.fromkeys(name.removeprefix(HELD_OUT) for name in names)
    return [term for term in terms if term not in CLOCK and not term.endswith(tuple(BESIDE))]


def _unit(term: str) -> str:
    """Names end in their unit."""
    if term.endswith("_nats"):
        return "nats"
    return "bits/dim" if term.endswith("bpd") else ""


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
