"""Race: families on the same points with the same budget, several seeds each, followed as they learn."""

import streamlit as st

from genmodels.data.datasets import DATASETS
from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.experiments.races import race
from genmodels.experiments.races.race import Budget, Race
from genmodels.host.health import cores
from genmodels.jobs import queue
from genmodels.models import MODELS
from genmodels.runs import timing
from pages._ui.form.url_widgets import choice_of_many, number, several, slider
from pages._ui.shared.answer import answer
from pages._ui.views.experiments.race import counted, shown

PLANES = [name for name, info in DATASETS.items() if info.kind == "plane" and name != "drawing"]
FIRST = ["flow", "autoregressive", "ddpm", "vae", "wgan", "gan"]
BUDGETS = {"seconds": (2, 60, 10), "images": (50, 5000, 500)}  # lowest, highest, at first; examples in thousands


def main() -> None:
    """The form, and the race that the link names."""
    st.title("Race")
    st.caption(
        "Which family learns fastest? Everybody gets the same points of the plane and the same budget, and starts "
        "several times from other seeds. Each run is an ordinary run, to be opened, scrubbed and forked."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        data = choice_of_many("Data", PLANES, key="data", width=190)
        seeds = number("Seeds", 1, race.MOST_SEEDS, 5, key="seeds", width=110)
        kind = counted("Budget of a run", key="budget")
        low, high, usual = BUDGETS[kind]
        unit = "Seconds of training" if kind == "seconds" else "Thousands of examples"
        amount = slider(unit, low, high, usual, key=f"of_{kind}", width=260)
    first = [name for name in FIRST if name in race.entrants()]
    chosen = several("Families", race.entrants(), first, key="families")
    budget = Budget(kind, amount * (1000 if kind == "images" else 1))
    starting(data, chosen, seeds, budget)
    if name := st.query_params.get("race"):
        try:
            shown(race.find(name))
        except BadInput as error:
            st.warning(str(error))


def starting(data: str, families: list[str], seeds: int, budget: Budget) -> None:
    """The steps that the budget buys each family, by steps that were timed here, and the button."""
    known = answer(race.paces, key=f"paces-{data}", at_once=True, data=data, where=timing.device())
    if known is None:
        st.caption("A few steps of each are timed on this device first: what a budget is in steps.")
        return
    paces = dict(zip(race.entrants(), zip(known["seconds"], known["images"], strict=True), strict=True))
    steps = {name: budget.steps(*map(float, paces[name])) for name in families}
    spent = sum(steps[name] * float(paces[name][0]) for name in families) * seeds
    st.caption(
        "That is " + ", ".join(f"{n:,} steps of {MODELS[name].title}" for name, n in steps.items()) + ", each with the "
        "settings of its preset for such data."
        if steps
        else "Choose who races."
    )
    where = "1 core" if cores() == 1 else f"{cores()} cores"
    label = f"Start the race: {len(families)} × {seeds} runs, {worded(spent / cores())} of training on {where}"
    if st.button(label, type="primary", key="start", disabled=not families):
        begun = begin(data, steps, seeds, budget)
        if begun is not None:
            st.query_params["race"] = begun.id


def begin(data: str, steps: dict[str, int], seeds: int, budget: Budget) -> Race | None:
    """The race in the queue; a refusal is said."""
    try:
        queue.pool()
        return race.start(data, steps, seeds, budget)
    except BadInput as error:
        st.error(str(error))
        return None


main()
