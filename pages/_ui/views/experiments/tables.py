"""Results as tables that can be sorted and taken away, and as bars with their errors."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import streamlit as st

from genmodels import figures
from genmodels.experiments import writers
from genmodels.experiments.comparison import NOTES, measured_floor, named
from genmodels.experiments.measures import MEASURES
from genmodels.experiments.results import Row
from pages._ui.shared.plot import plot

__all__ = ["as_files", "bars", "downloads", "table"]

WHOLE = 30  # rows of a table that are all seen at once


def table(
    rows: Sequence[Row], measures: Sequence[str], every: Sequence[Row], *, key: str, seeds: Sequence[int] = ()
) -> None:
    """A row a run, and above them what real data score; each number with its standard error beside it.

    Args:
        rows: Those that are shown.
        measures: The columns.
        every: Those of which the floor is told: also what is hidden.
        key: Identity of the widget.
        seeds: Of each row over how many it is the mean, where the rows are of several.
    """
    lines: list[dict[str, Any]] = [{"": writers.FLOOR, "model": "", "n": None, "likelihood": ""}]
    for row in rows:
        lines.append({"": row.name, "model": row.model, "n": row.examples or None, "likelihood": row.likelihood})
    for line, count in zip(lines[1:], seeds, strict=False):
        line["seeds"] = count
    error = "Standard error" + (" over the seeds; of one, from test examples and samples." if seeds else ".")
    of_data = {name: cell for name in measures if (cell := measured_floor(every, name))}
    config: dict[str, Any] = {"": st.column_config.TextColumn(pinned=True)}
    for name in (one for one in measures if any(one in row.cells for row in every)):
        one = MEASURES[name]
        title = f"{one.title} ({one.unit})" if one.unit else one.title
        better = {"higher": " Higher is better.", "lower": " Lower is better."}.get(one.better, "")
        config[title] = st.column_config.NumberColumn(format="%.4g", help=one.about + better)
        config[f"± {one.title}"] = st.column_config.NumberColumn("±", format="%.2g", help=error)
        for line, cell in zip(lines, [of_data.get(name), *(row.cells.get(name) for row in rows)], strict=True):
            line[title] = cell.value if cell else None
            line[f"± {one.title}"] = cell.se if cell and not math.isnan(cell.se) else None
    noted = any(row.status in NOTES for row in rows)
    for line, row in zip(lines[1:], rows, strict=True):
        line["of what the likelihood is"] = row.base
        if noted:
            line["measured"] = row.status if row.status in NOTES else ""
    height: Literal["auto", "content"] = "content" if len(lines) <= WHOLE else "auto"
    st.dataframe(lines, height=height, hide_index=True, column_config=config, key=key, placeholder="–")


def downloads(rows: Sequence[Row], name: str) -> None:
    """The rows as files, a row a run."""
    with st.container(horizontal=True, gap="small"):
        as_files(writers.tidy(rows), name, key="download")


def as_files(lines: writers.Table, name: str, *, key: str) -> None:
    """A button for each form in which a table's lines can be taken along."""
    forms = {"CSV": ("csv", writers.as_csv), "Markdown": ("md", writers.markdown), "LaTeX": ("tex", writers.latex)}
    for label, (ending, write) in forms.items():
        st.download_button(label, partial(write, lines), f"{name}.{ending}", key=f"{key}-{ending}", on_click="ignore")


def bars(rows: Sequence[Row], measure: str, every: Sequence[Row], *, key: str) -> None:
    """A bar a run of one measure, with its standard error, beside the floor."""
    known = [row for row in rows if measure in row.cells]
    titles = {run: title for title, run in named(known).items()}
    cells = {titles.get(row.run, row.name): row.cells[measure] for row in known}
    one, of_data = MEASURES[measure], measured_floor(every, measure)
    plot(
        figures.bars(
            {name: cell.value for name, cell in cells.items()},
            errors={name: cell.se for name, cell in cells.items() if not math.isnan(cell.se)},
            y_title=f"{one.title}, {one.unit}" if one.unit else one.title,
            title=one.title,
            floor=("real data", of_data.value) if of_data else None,
        ),
        key=key,
    )
