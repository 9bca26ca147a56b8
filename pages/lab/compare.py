"""Compare: all that learned the same data in one table, each with its error, beside what real data score."""

import streamlit as st

from genmodels.data.datasets import DATASETS
from genmodels.experiments import comparison
from genmodels.experiments.comparison import Group
from genmodels.experiments.measures import MEASURES, measure
from genmodels.experiments.results import Row
from genmodels.runs import store
from pages._ui.classroom.wall import curves
from pages._ui.form.url_widgets import choice, choice_of_many, switch
from pages._ui.shared.answer import answer
from pages._ui.views.experiments.beside import differences, neighbours, walls
from pages._ui.views.experiments.tables import bars, downloads, table

SHOWN = {"Samples": walls, "Nearest neighbours": neighbours, "Settings": differences}


def main() -> None:
    """Choose the data, hide what is not wanted, measure what is missing."""
    st.title("Compare")
    st.caption(
        "Which family is better, and at what? Every checkpoint and every finished run of the same data, measured "
        f"alike: {comparison.HOW.n:,} test examples (or all) against as many samples, the same seed."
    )
    data = choice_of_many("Data", comparison.data_of(), key="data", width=280)
    every = comparison.compared(data)
    models = list(dict.fromkeys(row.model for row in every))
    shown = st.pills("Models", models, default=models, selection_mode="multi", key=f"models-{data}")
    rows = [row for row in every if row.model in shown]
    what = choice("Show", ["Measures", *SHOWN], "Measures", key="show", bare=True)
    if what == "Measures":
        measured(data, rows, every)
    elif rows:
        SHOWN[what](rows)


def measured(data: str, rows: list[Row], every: list[Row]) -> None:
    """The table, what is still to be measured, the files, and one measure as bars."""
    measures = comparison.columns(data)
    together = switch("Seeds together", False, key="together", help="One row for runs that differ by their seed alone.")
    groups = comparison.over_seeds(rows) if together else []
    shown = [one.row for one in groups] or rows
    table(shown, measures, every, key=f"table-{data}", seeds=[one.n for one in groups])
    st.caption(
        f"{DATASETS[data].title}. A likelihood is exact, a bound on it, or there is none; two of different kinds of "
        "data (the last column) cannot be compared. FID, KID, IS, precision, recall, density and coverage are those of "
        "a small classifier of these data, and comparable with no paper's. Of a VAE's pictures the decoder's means are "
        "judged. Times are of the machine that each was trained and measured on."
    )
    missing(rows)
    if there := [row for row in shown if row.cells]:
        downloads([row for row in rows if row.cells], f"compare-{data}")
        known = [name for name in measures if any(name in row.cells for row in there)]
        known.sort(
            key=lambda name: comparison.measured_floor(every, name) is None
        )  # what can be seen beside its floor first
        titles = {MEASURES[name].title: name for name in known}
        chosen = choice_of_many("Draw", list(titles), key="draw", width=280)
        bars(there, titles[chosen], every, key=f"bars-{data}")
    learned([one for one in groups if len(one.of) > 1])


def learned(groups: list[Group]) -> None:
    """The curves of each group's trainings."""
    if not groups:
        return
    known = [(store.find(row.run), one.row.name) for one in groups for row in one.of]
    curves([run for run, _ in known], [name for _, name in known], large=False)
    st.caption("Each seed faint, their mean, and a band from the lowest to the highest of them.")


def missing(rows: list[Row]) -> None:
    """Measure the runs that were not measured yet, one after the other, by a worker."""
    open_ones = comparison.missing(rows)
    if not open_ones:
        return
    st.write(
        f"Not measured like the others yet: {', '.join(row.name for row in open_ones)}. What stands there is of their "
        "cards, of another n perhaps, or of weights that they had before."
    )
    if not st.toggle("Measure them", key="measure", help="One after the other; what was measured stays."):
        return
    row, how = open_ones[0], comparison.HOW
    if answer(measure, key=f"measure-{row.run}", at_once=True, run=row.run, n=how.n, k=how.k, seed=how.seed):
        st.rerun()


main()
