"""The page of a model, the same for all families: picture, Train and settings; curves; explore, sample, theory."""

import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import streamlit as st

from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.models import model_class
from genmodels.models.base import GenerativeModel
from genmodels.runs.store import Run
from genmodels.training.settings import Settings
from pages._ui.classroom import hour
from pages._ui.components.later import comes_later
from pages._ui.form import url_widgets
from pages._ui.form.choose import choose
from pages._ui.form.lesson import is_presenting, is_shown, link_menu, say_what_is_unknown, words
from pages._ui.page.sampling import sampling
from pages._ui.page.shown import current, keep, refill, say_whether_changed, start_of
from pages._ui.page.time_machine import has_weights, pace_of_panels, say_where_panels_are, shown
from pages._ui.page.train_panel import learning_curves, stage
from pages._ui.shared import instruments
from pages._ui.shared.instruments import Instrument, View
from pages._ui.shared.moment import Moment
from pages._ui.views.common.everybody import for_everybody

__all__ = ["page"]

NOTHING: Mapping[str, Any] = MappingProxyType({})
TABS = ("Explore", "Sample", "Theory")
LARGE = """
html { font-size: 23px; }
.st-key-views, .st-key-instruments, .stMainBlockContainer h1,
.stMainBlockContainer > .stVerticalBlock > .stElementContainer:has(> .stMarkdown) { display: none; }
"""
"""For a projector: letters that are read from the back of the room, and one view without the names of the others."""


def page(
    model: str,
    *,
    objective: str | Callable[[Mapping[str, Any]], str] = "",
    about: str = "",
    opens: str = "",
    first: Sequence[str] | None = None,
    units: Mapping[str, str] = NOTHING,
    panels: Sequence[str] = (),
    explore: Mapping[str, Instrument | View] = NOTHING,
    theory: View | None = None,
    covered: Sequence[str] = (),
) -> None:
    """Draw everything under the title.

    Args:
        model: A name of MODELS.
        objective: What the training makes large or small, LaTeX, or what tells it from the hyperparameters; it stands
            over the curves.
        about: What else is to be known of it, a sentence or two.
        opens: The checkpoint on which the page opens; the one most like the first preset otherwise.
        first: Three hyperparameters that are always in sight; the first three otherwise.
        units: The unit of each term that the model means otherwise than :mod:`genmodels.quantities` says.
        panels: Terms whose curves come first; two are in sight.
        explore: The family's instruments by name. What a model can do for nothing comes after them.
        theory: The theory panel, where there is one.
        covered: What a model can do for nothing, and the family shows better.
    """
    cls = model_class(model)
    settings = ["preset", "data", *declared(cls), *declared(Settings)]
    say_what_is_unknown(settings)
    run = current(model, opens)
    start = start_of(model, run)
    refill(model, start, run)
    # The picture and Train come first, so also on a phone, where columns follow each other.
    place = st.container(key="stage")
    work, form = place.columns([5, 3], gap="large") if is_shown("form") else (place.container(), place.container())
    with form:
        note = st.empty()
        chosen = choose(cls, first=first, start=start, drawn=is_shown("form"))
    keep(model)
    with work:
        run = stage(model, chosen, run)
    say_whether_changed(note, chosen, run)
    if objective and not is_presenting():
        _formula(objective, cls, chosen.arguments if run is None else run.plan.arguments)
    if about and not is_presenting():
        st.caption(about)
    if run is not None and is_shown("curves"):
        learning_curves(run, units=units, first=panels)
    if run is not None and has_weights(run):
        with st.container(key="panels"):
            st.fragment(_panels, run_every=pace_of_panels(run))(model, settings, run, explore, theory, covered)


def _formula(
    objective: str | Callable[[Mapping[str, Any]], str], cls: type[GenerativeModel], arguments: Mapping[str, Any]
) -> None:
    """What the training makes large or small; or what is wrong with a hyperparameter that a run came with."""
    if isinstance(objective, str):
        st.latex(objective)
        return
    try:
        known = {name: one.check(arguments.get(name, one.default)) for name, one in declared(cls).items()}
    except BadInput as error:
        st.error(str(error))
        return
    st.latex(objective(known))


def _panels(
    model: str,
    settings: Sequence[str],
    run: Run,
    explore: Mapping[str, Instrument | View],
    theory: View | None,
    covered: Sequence[str],
) -> None:
    """What is a function of the moment; a choice in it, and a newer moment, draw it alone again."""
    if not has_weights(run):  # deleted meanwhile
        st.rerun(scope="app")
    if comes_later("panels"):
        return
    begun, moment = time.monotonic(), Moment.of(run, shown(run))
    hour.along()
    if said := words():
        st.html(f'<p class="words">{escape(said)}</p>')
    if is_presenting():
        st.html(f"<style>{LARGE}</style>")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="views"):
        tabs = [tab for tab in TABS if is_shown(tab.lower()) and (theory or tab != "Theory")]
        tab = url_widgets.choice("view", tabs, tabs[0], key="view", bare=True) if tabs else None
        place = st.container(width="content")
    say_where_panels_are(run)
    try:
        match tab:
            case "Sample":
                sampling(moment)
            case "Theory" if theory:
                theory(moment)
            case "Explore":
                others = {name: view for name, view in for_everybody(moment).items() if name not in covered}
                instruments.explore({**explore, **others}, moment)
    except BadInput as error:  # of a model without its data, say
        st.info(str(error))
    with place:  # last, for it tells what the rest has chosen
        link_menu(model, settings, run=run.id)
    st.session_state["panels seconds"] = time.monotonic() - begun
