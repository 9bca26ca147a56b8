"""What the models of an entry draw: through their training, on the latent plane, from noise to samples; and priors."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.experiments.declaration import Figure
from genmodels.instruments import codes
from genmodels.instruments.diffusion.denoising import denoised
from genmodels.instruments.vae.geometry import aggregate
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.runs.run import Run
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.shared.run_cache import Stamp, stamp
from pages._ui.views.common.shapes import by_class, pictures
from pages._ui.views.experiments.beside import panels
from pages._ui.views.vae.geometry import density_of_z

__all__ = ["drawn"]

MOMENTS = 5  # of a training
SIDE, CELLS = 10, 80  # pictures in a row of a map of the latent plane; cells of a map of a density
ROWS, COLUMNS = 4, 8  # samples of a way from noise, and moments of it
BESIDE = 16  # samples of each run, and test examples


def drawn(figure: Figure, names: Mapping[str, str], *, key: str) -> None:
    """The figure, of each run that it is of; ``names`` are those of rows, by the ids of their runs."""
    st.markdown(f"**{figure.title}**")
    runs = [store.find(name) for name in figure.of]
    match figure.draws:
        case "samples":
            for run in runs:
                _in_a_row(run, run.frames(), 4, _samples, key)
        case "map":
            for run in runs:
                _in_a_row(run, run.snapshots(), SIDE, _map, key)
        case "denoising":
            for run in runs:
                _denoising(run, key)
        case "priors":
            _priors(runs, key)
        case "beside":
            panels({run.id: names.get(run.id, run.title) for run in runs}, BESIDE, 0, columns=4, key=key)


def few(steps: Sequence[int], most: int = MOMENTS) -> list[int]:
    """The first and the last of them, and evenly spaced ones between: at most so many.

    >>> few([0, 1, 2, 4, 8, 16, 32, 64], 3)
    [0, 8, 64]
    """
    places = np.linspace(0, len(steps) - 1, min(most, len(steps)))
    return [steps[round(place)] for place in places]


def _in_a_row(run: Run, steps: Sequence[int], columns: int, tile: Callable[[Run, int], Any], key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for step in few(steps):
            x = tile(run, step)
            if x is not None:
                with st.container(width=230, gap="xsmall"):
                    alt = f"What {run.id} drew at step {step}."
                    name = f"{key}-{run.id}-{step}"
                    pictures(x, columns, key=name, alt=alt, pixels=200 // columns, download="")
                    st.caption(f"step {step:,}")
    st.page_link(f"pages/models/{run.plan.model}.py", label=f"Open {run.title}", query_params={"run": run.id})


@functools.lru_cache(maxsize=64)
def _kept(plan: Stamp, step: int) -> np.ndarray | None:
    samples = Run(Path(plan[0]).parent).samples(step)
    return None if samples is None else samples[:16]


def _samples(run: Run, step: int) -> np.ndarray | None:
    return _kept(stamp(run.path / Plan.FILE), step)


def _map(run: Run, step: int) -> np.ndarray:
    cells = seen(codes.latent_map, Moment.of(run, step), n=SIDE).x[::-1]  # z₂ upwards
    return np.asarray(cells.reshape(-1, *cells.shape[2:]))


def _denoising(run: Run, key: str) -> None:
    film = answer(denoised, moment=Moment.of(run), key=f"{key}-{run.id}", at_once=True, n=ROWS)
    if film is None:
        return
    at = few(range(len(film["t"])), COLUMNS)
    x = film["x_t"][at].swapaxes(0, 1)  # a sample a row
    alt = f"{ROWS} samples of {run.id} on their way from noise."
    pictures(x, len(at), key=f"{key}-strip", alt=alt, pixels=72, download=f"{run.id}-denoising.png")
    st.caption(f"From left to right t = {', '.join(f'{t:,}' for t in film['t'][at])}.")


def _priors(runs: Sequence[Run], key: str) -> None:
    """The prior's density of each run, under its encoded test set."""
    with st.container(horizontal=True, gap="small"):
        for run in runs:
            with st.container(width=330, gap="xsmall"):
                maps = answer(aggregate, key=f"{key}-{run.id}", at_once=True, run=run.id, step=None, side=CELLS)
                if maps is None:
                    break  # one after the other
                names = run.data().classes or ("test examples",)
                extent, dots = tuple(maps["extent"].tolist()), by_class(maps["mu"], maps["labels"], names)
                title, green = run.plan.arguments["prior"], figures.LATENT
                p = np.cbrt(maps["prior"])
                figure = density_of_z(p, extent, title=title, color=green, unit="∛ density", over=dots)
                figure.update_traces(showscale=False, selector={"type": "heatmap"})
                plot(figure.update_layout(showlegend=False, height=330), key=f"{key}-{run.id}")
    st.caption(
        "Green: the prior, stronger with the cube root of its density. Dots: where the encoder puts test examples, in "
        "the colours of their labels."
    )
