"""A Plotly figure on the page, as wide as there is room, and in words for those who do not see it."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from pages._ui.form.lesson import is_presenting

__all__ = ["paper", "plot"]

LETTERS, HEIGHT = 20, 640  # for a projector, CSS pixels
LEAST = 340  # CSS pixels of a figure with its legend below, which on a phone has a line for each entry


def plot(figure: go.Figure, *, key: str, place: Any = st, small: bool = False, **options: Any) -> None:
    """Show ``figure`` in ``place`` (a column, a container); ``options`` are Plotly's own.

    A ``small`` one, of several to be compared, is on a projector as high as it was made.
    """
    if figure.layout.showlegend and figure.layout.legend.yref == "container":
        figure.update_layout(height=max(figure.layout.height or 0, LEAST))
    if is_presenting():
        figure.update_layout(font_size=LETTERS, title_font_size=LETTERS + 2, legend_font_size=LETTERS - 2)
        if not small:
            figure.update_layout(height=max(figure.layout.height or 0, HEIGHT))
        if (room := figure.layout.margin.t) and not small:  # for a title and a legend below it
            figure.update_layout(margin_t=2 * room)
    place.plotly_chart(figure, width="stretch", key=key, alt=figures.described(figure), config=options or None)


def paper() -> str:
    """The colour of the page, which a picture fades into."""
    return "#14171a" if st.context.theme.type == "dark" else "#ffffff"
