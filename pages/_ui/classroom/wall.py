"""What hangs on a wall: every run's newest samples with its name, and the curves of all over each other."""

import base64
import functools
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from genmodels.data.datasets import info
from genmodels.figures import RUNS
from genmodels.images import dots, png, tile
from genmodels.runs import classroom
from genmodels.runs.classroom import Entry
from genmodels.runs.record import CLOCK
from genmodels.runs.store import Run
from pages._ui.components.live_chart import Panel, Series, live_chart
from pages._ui.shared.run_cache import Stamp, metrics, newest_of, stamp

__all__ = ["curves", "mosaic"]

MOST_TILES, MOST_CURVES = 36, 40
Hung = Sequence[tuple[Run, Entry]]


def mosaic(hung: Hung, what: Sequence[str], *, large: bool) -> None:
    """A tile a run: what it draws now, whose it is, how far it has come.

    Args:
        hung: The runs and their entries.
        what: What tells each from the others, a line each.
        large: To be read from the back of the room.
    """
    tiles = [_tile(run, entry, line) for (run, entry), line in zip(hung[:MOST_TILES], what, strict=False)]
    st.html(f'<div class="mosaic{" large" if large else ""}">{"".join(tiles)}</div>')
    if len(hung) > MOST_TILES:
        st.caption(f"The newest {MOST_TILES} of {len(hung)} runs are shown.")


def _tile(run: Run, entry: Entry, what: str) -> str:
    state, who = run.state(), escape(entry.who)
    total = state.total
    kind = info(run.plan.data).kind
    picture = newest_of(run, _tiled if kind == "images" else _dotted)
    where = f"step {state.step:,}" + (f" of {total:,}" if total else "")
    alt = f"samples of the run of {who}, {where}"
    drawn = f'<img alt="{alt}" src="{picture}">' if picture else '<div class="nothing">no samples yet</div>'
    share = state.progress
    bar = f'<div class="bar"><div style="width:{share:.0%}"></div></div>'
    return (
        f'<figure>{drawn}{bar}<figcaption><b>{who}</b><span>{escape(what)}</span>'
        f"<span>{escape(state.status)}, {where}</span></figcaption></figure>"
    )  # fmt: skip


def _tiled(samples: Any) -> str:
    return _url(png(tile(samples)[..., :3]))


def _dotted(samples: Any) -> str:
    return _url(png(dots(samples, 1.1 * float(np.quantile(np.abs(samples), 0.99)) + 1e-6)))


def _url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


# Curves ---------------------------------------------------------------------------------------------------------------


def curves(runs: Sequence[Run], what: Sequence[str], *, large: bool) -> None:
    """The terms that most of the runs have: a colour a plan, a band over the seeds of a plan."""
    runs = runs[:MOST_CURVES]
    stamps = tuple(stamp(run.path / "metrics.jsonl") for run in runs)
    if panels := _panels(stamps, tuple(what[: len(runs)])):
        most, height, text = (2, 400, 18) if large else (4, 210, 12)
        live_chart(panels[:most], key="wall-curves", columns=2, height=height, text=text)
    else:
        st.caption("The curves come with the first point.")


@functools.lru_cache(maxsize=16)
def _panels(stamps: tuple[Stamp, ...], what: tuple[str, ...]) -> list[Panel]:
    """The panels, made once for all who look."""
    runs = [Run(Path(path).parent) for path, _, _ in stamps]
    tables = [metrics(run) for run in runs]
    counts: dict[str, int] = {}
    for table in tables:
        for name in table[-1] if table else ():
            if name not in CLOCK and not name.startswith("held-out "):
                counts[name] = counts.get(name, 0) + 1
    terms = sorted(counts, key=lambda name: -counts[name])[:4]
    groups = classroom.seeds([run.plan for run in runs])
    return [Panel(term.replace("_", " "), "", _series(term, groups, tables, what)) for term in terms]


def _series(
    term: str, groups: Sequence[Sequence[int]], tables: Sequence[list[dict[str, float]]], what: Sequence[str]
) -> list[Series]:
    found = []
    for color, group in zip(RUNS * len(groups), groups, strict=False):
        several = len(group) > 1
        name = what[group[0]] + (f", {len(group)} seeds" if several else "")
        for i in group:
            points = [(row["step"], row[term]) for row in tables[i] if term in row]
            if points:
                x, y = np.array(points).T
                found.append(Series(name, x, y, color, faint=several))
        if several and (band := classroom.spread([tables[i] for i in group], term)):
            found.append(Series(name, band.steps, band.mean, color, low=band.low, high=band.high))
    return found
