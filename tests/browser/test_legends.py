"""No legend of a figure lies over its title, its axis or its curves, on the narrowest phone and on a wide page."""

import json
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest
from playwright.sync_api import Page
from plotly.offline import get_plotlyjs

from genmodels import figures
from pages._ui.shared import plot as plots

ENTRIES = {
    "short": ["train", "held out"],
    "long": ["signal √ᾱ, cosine", "noise √(1 − ᾱ), cosine", "signal √ᾱ, linear", "noise √(1 − ᾱ), linear"],
    "many": [str(digit) for digit in range(10)],
}
OVERLAPS = """
async ([figure, width]) => {
    const place = document.body.appendChild(document.createElement('div'));
    place.style.width = width + 'px';
    await Plotly.newPlot(place, figure.data, figure.layout, {responsive: true});
    const box = (name) => place.querySelector(name).getBoundingClientRect();
    const legend = box('.legend'), whole = place.getBoundingClientRect(), room = box('.nsewdrag').height;
    const under = ['.gtitle', '.xtitle', '.nsewdrag'].filter((name) => {
        const other = box(name);
        return legend.left < other.right && other.left < legend.right
            && legend.top < other.bottom && other.top < legend.bottom;
    });
    if (legend.right > whole.right + 1 || legend.bottom > whole.bottom + 1) under.push('beyond the figure');
    place.remove();
    return [under, room];
}
"""


def drawn(names: list[str], height: int | None) -> go.Figure:
    """Curves of these names as a page shows them."""
    lines = [figures.Curve(name, [0, 1], [i, 1], figures.DATA) for i, name in enumerate(names)]
    figure = figures.curves(lines, title="Signal and noise", x_title="t, steps", y_title="share of x")
    shown: list[go.Figure] = []
    place = SimpleNamespace(plotly_chart=lambda figure, **_: shown.append(figure))
    plots.plot(figure.update_layout(height=height) if height else figure, key="one", place=place)
    return shown[0]


def test_no_legend_lies_over_anything(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "is_presenting", lambda: False)
    page.add_script_tag(content=get_plotlyjs())
    for width in (240, 700):
        for height in (None, 250):
            for entries, names in ENTRIES.items():
                figure = json.loads(drawn(names, height).to_json())
                overlaps, room = page.evaluate(OVERLAPS, [figure, width])
                assert not overlaps, (entries, width, height)
                assert room >= 100, (entries, width, height)
