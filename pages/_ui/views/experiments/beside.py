"""Runs of the same data beside each other: what each draws of the same seed, what is nearest to it, how they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from numpy.typing import NDArray

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.experiments.comparison import apart, named
from genmodels.experiments.results import Row
from genmodels.instruments import data as instruments
from genmodels.instruments.samples import samples
from genmodels.runs import store
from pages._ui.form.url_widgets import SEEDS, choice_of_many, number, some_of_many
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.views.common.neighbours import nearest_neighbours
from pages._ui.views.common.shapes import pictures, square
from pages._ui.views.common.side_by_side import dots, small

__all__ = ["differences", "neighbours", "panels", "walls"]

FIRST, MOST = 4, 8  # walls at first, and at most
WIDTH = 310  # of a wall, CSS pixels
BESIDE = "beside"  # in the URL: the ids of the runs whose samples stand side by side


def walls(rows: Sequence[Row]) -> None:
    """Real data, and samples of each run from the same seed, side by side."""
    known = {row.run: row for row in rows if row.run}
    titles = {run: title for title, run in named(rows).items()}
    if known.keys().isdisjoint(st.query_params.get(BESIDE, "").split(",")):
        st.query_params.pop(BESIDE, None)  # of other data
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seed = number("Seed", 0, SEEDS, 0, key="seed")
        chosen = some_of_many(
            "Runs",
            list(known),
            list(known)[:FIRST],
            url=BESIDE,
            key=f"walls-{rows[0].data}",
            told=titles.__getitem__,
            most=MOST,
            width=640,
        )
    images = DATASETS[rows[0].data].kind == "images"
    panels({run: known[run].name for run in chosen}, 25 if images else 500, seed, columns=5, key="wall")
    st.caption("The same seed gives each model the same noise, of which each makes something else.")


def panels(names: Mapping[str, str], n: int, seed: int, *, columns: int, key: str) -> None:
    """Real test data, then samples of each run from the same seed; drawn by the workers, one after the other.

    Args:
        names: Of the runs, by their ids. They have learned the same data.
        n: How many examples, and samples of each.
        seed: Of all of them.
        columns: Images in a row.
        key: Identity of the widgets.
    """
    plans = {run: store.find(run).plan for run in names}
    real = [(plan.data, plan.data_arguments) for plan in plans.values()]
    real = [one for i, one in enumerate(real) if one not in real[:i]]  # one, of drawings perhaps several
    with st.container(horizontal=True, gap="small"):
        for i, (data, arguments) in enumerate(real):
            with st.container(width=WIDTH, gap="xsmall"):
                st.markdown("**Real test data**")
                asked: dict[str, Any] = {"name": data, "arguments": arguments, "n": n, "seed": seed}
                x = answer(instruments.real, key=f"{key}-real-{i}", at_once=True, **asked)
                words, own = f"{n} test examples.", f"{key}-real-{i}-{seed}"
                if not _panel(x, data, words, columns, own, f"{data}-test", figures.DATA):
                    return  # one after the other
        for run, plan in plans.items():
            with st.container(width=WIDTH, gap="xsmall"):
                label, link = f"**{names[run]}**", {"run": run}
                st.page_link(f"pages/models/{plan.model}.py", label=label, query_params=link)
                moment = Moment.of(store.find(run))
                x = answer(samples, moment=moment, key=f"{key}-{run}", at_once=True, n=n, seed=seed)
                alt = f"{n} samples of {names[run]}, seed {seed}."
                if not _panel(x, plan.data, alt, columns, f"{key}-{run}-{seed}", run, figures.SAMPLES):
                    return


def _panel(
    drawn: Mapping[str, NDArray[Any]] | None, data: str, alt: str, columns: int, key: str, name: str, color: str
) -> bool:
    """Draw images, to take home as ``name``, or points, where they are there; whether they are."""
    if drawn is None:
        return False
    if DATASETS[data].kind == "images":
        pictures(drawn["x"], columns, key=key, alt=alt, pixels=280 // columns, download=f"{name}.png")
    else:
        cloud = replace(dots(drawn["x"]), color=color)
        small(figures.points((cloud,), extent=square(DATASETS[data].extent)), key)
    return True


def neighbours(rows: Sequence[Row]) -> None:
    """The training examples nearest to the samples of one run: has it learned them by heart?"""
    known = named(rows)
    run = store.find(known[choice_of_many("Of", list(known), key="of", width=420)])
    nearest_neighbours(Moment.of(run))


def differences(rows: Sequence[Row]) -> None:
    """Two runs, and the settings in which they differ, no others."""
    known = named(rows)
    if len(known) < 2:
        st.caption("There is one run of these data: train another.")
        return
    with st.container(horizontal=True, gap="small"):
        left = choice_of_many("One", list(known), key="one", width=420)
        right = choice_of_many("The other", list(known)[::-1], key="other", width=420)
    found = apart(store.find(known[left]), store.find(known[right]))
    if not found:
        st.caption("They have the same settings, all of them.")
        return
    st.dataframe([{"setting": name, left: a, f"{right} ": b} for name, a, b in found], hide_index=True, key="apart")
    st.caption(
        f"In {len(found)} settings they differ; in all others they are alike, and “–” is one that a model lacks."
    )
