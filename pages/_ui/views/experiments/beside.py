"""Runs of the same data beside each other: what each draws of the same seed, what is nearest to it, how they differ."""

from collections.abc import Sequence

import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.experiments.comparison import apart, named
from genmodels.experiments.results import Row
from genmodels.instruments.samples import samples
from genmodels.runs import store
from pages._ui.form.url_widgets import SEEDS, choice_of_many, number
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.views.common.neighbours import nearest_neighbours
from pages._ui.views.common.shapes import pictures, square
from pages._ui.views.common.side_by_side import dots, small

__all__ = ["differences", "neighbours", "walls"]

FIRST, MOST = 4, 8  # walls at first, and at most
WIDTH = 310  # of a wall, CSS pixels
ACROSS = {"images": 5, "plane": 1}  # images in a row of a wall


def walls(rows: Sequence[Row]) -> None:
    """Samples of each run from the same seed, side by side; drawn by the workers, one after the other."""
    known = {row.run: row for row in rows if row.run}
    titles = {run: title for title, run in named(rows).items()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seed = number("Seed", 0, SEEDS, 0, key="seed")
        chosen = st.multiselect(
            "Runs",
            list(known),
            list(known)[:FIRST],
            format_func=titles.__getitem__,
            max_selections=MOST,
            key=f"walls-{rows[0].data}",
            width=640,
        )
    with st.container(horizontal=True, gap="small"):
        for run in chosen:
            with st.container(width=WIDTH, gap="xsmall"):
                plan = known[run]
                st.page_link(f"pages/models/{plan.model}.py", label=f"**{plan.name}**", query_params={"run": run})
                if not _wall(run, plan, seed):
                    break  # one after the other
    st.caption("The same seed gives each model the same noise, of which each makes something else.")


def _wall(run: str, row: Row, seed: int) -> bool:
    """Draw a wall of samples of one run; whether they are there."""
    info, n = DATASETS[row.data], 25 if DATASETS[row.data].kind == "images" else 500
    drawn = answer(samples, moment=Moment.of(store.find(run)), key=f"wall-{run}", at_once=True, n=n, seed=seed)
    if drawn is None:
        return False
    alt, key = f"{n} samples of {row.name}, seed {seed}.", f"wall-{run}-{seed}"
    if info.kind == "images":
        pictures(drawn["x"], ACROSS["images"], key=key, alt=alt, pixels=56, download=f"{run}.png")
    else:
        small(figures.points((dots(drawn["x"]),), extent=square(info.extent)), key)
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
