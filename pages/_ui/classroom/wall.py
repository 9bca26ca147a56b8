"""What is on a wall: every run's newest samples beside the data, and the curves of all over each other."""

import base64
import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import segno
import streamlit as st

from genmodels.data import datasets
from genmodels.data.datasets import info
from genmodels.errors import BadInput
from genmodels.figures import DATA, RUNS
from genmodels.images import dots, png, tile
from genmodels.palette import rgb
from genmodels.quantities import quantity
from genmodels.runs import classroom
from genmodels.runs.classroom import Entry
from genmodels.runs.record import CLOCK
from genmodels.runs.store import Run
from genmodels.runs.timing import is_here
from pages._ui.components.live_chart import Panel, Series, live_chart
from pages._ui.shared.run_cache import Stamp, metrics, newest_of, stamp

__all__ = ["banner", "curves", "mosaic"]

MOST_TILES, MOST_CURVES = 36, 40
Hung = Sequence[tuple[Run, Entry]]


def banner(code: str, address: str, runs: int) -> None:
    """For the back of the room: the code, the address, and a square that a phone reads."""
    square = segno.make(address, error="m").svg_data_uri(scale=4, border=2, light="white")
    shown = escape(address.removeprefix("https://").removeprefix("http://"))
    counted = "1 run" if runs == 1 else f"{runs} runs"
    st.html(
        f'<div class="banner"><img alt="a QR code that leads to {escape(address)}" src="{escape(square)}">'
        f"<div><b>{escape(code)}</b><span>{shown}</span><span>{escape(counted)}</span></div></div>"
    )


def mosaic(hung: Hung, what: Sequence[str], *, large: bool) -> None:
    """First what is to be learned; then a tile a run: what it draws now, whose it is, how far it has come.

    Args:
        hung: The runs and their entries.
        what: What tells each from the others, a line each.
        large: To be read from the back of the room.
    """
    tiles = [_goal(data) for data in dict.fromkeys(run.plan.data for run, _ in hung[:MOST_TILES])]
    tiles += [_tile(run, entry, line) for (run, entry), line in zip(hung[:MOST_TILES], what, strict=False)]
    st.html(f'<div class="mosaic{" large" if large else ""}">{"".join(tiles)}</div>')
    if len(hung) > MOST_TILES:
        st.caption(f"The newest {MOST_TILES} of {len(hung)} runs are shown.")


def _goal(data: str) -> str:
    """The data themselves, as a tile; "" where they are not here, or everybody has drawn their own."""
    if data in ("drawing", datasets.ELSEWHERE) or not is_here(data):
        return ""
    with suppress(BadInput):  # damaged
        return _drawn_goal(data)
    return ""


@functools.lru_cache(maxsize=8)
def _drawn_goal(data: str) -> str:
    x = datasets.load(data).test.x[:1000].numpy()
    extent = info(data).extent
    picture = _url(png(tile(x[:64])[..., :3])) if x.ndim == 4 else _url(png(_blue(dots(x, extent))))
    title = escape(info(data).title)
    caption = f"<figcaption><b>The data</b><span>{title}</span></figcaption>"
    return f'<figure><img alt="{title}: the data" src="{picture}">{caption}</figure>'


def _tile(run: Run, entry: Entry, what: str) -> str:
    state, who = run.state(), escape(entry.who)
    total = state.total
    of = info(run.plan.data)
    picture = newest_of(run, _tiled if of.kind == "images" else _dotted(of.extent))
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


@functools.cache
def _dotted(extent: float) -> Callable[[Any], str]:
    """A function that draws points of the square [-extent, extent]²; one for each extent, as a cache wants it."""
    return lambda samples: _url(png(dots(samples, extent)))


def _blue(picture: Any) -> Any:
    """Dots in the colour of the data."""
    blue = picture.copy()
    blue[..., :3] = rgb(DATA)
    return blue


def _url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


# Curves ---------------------------------------------------------------------------------------------------------------


def curves(runs: Sequence[Run], what: Sequence[str], *, large: bool) -> None:
    """The terms that most of the runs have: a colour a plan, a band over the seeds of a plan."""
    runs = runs[:MOST_CURVES]
    stamps = tuple(stamp(run.path / "metrics.jsonl") for run in runs)
    if panels := _panels(stamps, tuple(what[: len(runs)])):
        most, height, text = (2, 400, 18) if large else (4, 240, 12)
        live_chart(panels[:most], key="wall-curves", columns=2, height=height, text=text)
    else:
        st.caption("The curves come with the first point.")


@functools.lru_cache(maxsize=16)
def _panels(stamps: tuple[Stamp, ...], what: tuple[str, ...]) -> list[Panel]:
    """The panels, made once for all who look."""
    runs = [Run(Path(path).parent) for path, _, _ in stamps]
    tables = [metrics(run) for run in runs]
    models = [run.plan.model for run in runs]
    counts: dict[tuple[str, str], int] = {}  # what two models log under one name is not one quantity
    for model, table in zip(models, tables, strict=True):
        for name in table[-1] if table else ():
            if name not in CLOCK and not name.startswith("held-out "):
                counts[model, name] = counts.get((model, name), 0) + 1
    terms = sorted(counts, key=lambda one: -counts[one])[:4]
    groups = classroom.seeds([run.plan for run in runs])
    several = len(set(models)) > 1
    panels = []
    for model, term in terms:
        one, own = quantity(term), [group for group in groups if models[group[0]] == model]
        title = f"{one.title}, {model.upper()}" if several else one.title
        panels.append(Panel(title, one.unit, _series(term, own, tables, what), about=one.explained))
    return panels


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
