"""Every term of a training as it comes, as trained and held out, and other runs beside it."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from genmodels import runs
from genmodels.figures import RUNS
from genmodels.runs import Run
from pages._ui.components.live_chart import Line, Panel, Series, live_chart

__all__ = ["curves"]

BOOKS = ("step", "epoch", "seconds", "images")  # what a line of the metrics holds beside the terms
HELD_OUT = "held-out "
OFFERED = 40  # runs that may be drawn beside one, the newest

Table = list[dict[str, float]]


def curves(
    run: Run,
    *,
    marker: float | None,
    units: Mapping[str, str],
    lines: Mapping[str, Sequence[Line]],
    first: Sequence[str],
) -> None:
    """Draw the terms of ``run``, and of the runs that the reader puts beside it.

    Args:
        run: The run.
        marker: The step at which the time machine stands.
        units: The unit of each term whose name does not say it.
        lines: Exact values and floors across a term's panel.
        first: Terms whose panels come first.
    """
    chart, below = st.container(), st.container()
    with below:
        together = [run, *_beside(run)]
    tables = [one.metrics() for one in together]
    terms = list(dict.fromkeys(term for table in tables for term in _terms(table)))
    terms.sort(key=lambda term: first.index(term) if term in first else len(first))
    if not terms:
        chart.caption("The first point is on its way.")
        return
    names = ["train" if len(together) == 1 else f"{i}. {one.plan['title']}" for i, one in enumerate(together, 1)]
    panels = [
        Panel(
            term.replace("_", " "),
            units.get(term, _unit(term)),
            [one for i, table in enumerate(tables) for one in _series(table, term, names[i], RUNS[i % len(RUNS)])],
            lines.get(term, ()),
        )
        for term in terms
    ]
    with chart:
        live_chart(panels, key=f"curves-{run.id}", marker=marker, columns=2, height=170)


def _beside(run: Run) -> list[Run]:
    """Other runs of the same model, as the reader chooses; at first the run that this one was forked from."""
    plan = run.plan
    known = [one for one in (*runs.every()[:OFFERED], *runs.bundled()) if one.id != run.id]
    others = {one.id: one for one in known if one.plan["model"] == plan["model"]}
    if not others:
        return []
    parent = (plan.get("parent") or {}).get("run")
    names = {key: one.plan["title"] for key, one in others.items()}
    usual = [parent] if parent in others else []
    name = names.__getitem__
    chosen = st.multiselect("runs beside it", list(others), usual, format_func=name, key=f"beside-{run.id}")
    return [others[key] for key in chosen]


def _terms(table: Table) -> list[str]:
    names = dict.fromkeys(name.removeprefix(HELD_OUT) for row in table for name in row)
    return [name for name in names if name not in BOOKS]


def _unit(term: str) -> str:
    """Names end in their unit."""
    if term.endswith("_nats"):
        return "nats"
    return "bits/dim" if term.endswith("bpd") else ""


def _series(table: Table, term: str, name: str, color: str) -> list[Series]:
    """A term of a run: as trained, and held out."""
    found = []
    for key, label in ((term, name), (HELD_OUT + term, "held out" if name == "train" else f"{name}, held out")):
        points = [(row["step"], row[key]) for row in table if key in row]
        if points:
            x, y = np.array(points).T
            found.append(Series(label, x, y, color, held_out=key != term))
    return found
