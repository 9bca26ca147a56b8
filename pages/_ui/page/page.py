"""The page of a model, the same for all families: settings, train, explore, sample, theory."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import streamlit as st

from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.models import model_class
from genmodels.training.settings import Settings
from pages._ui.form import url_widgets
from pages._ui.form.form import choose
from pages._ui.form.lesson import is_shown, link_menu, say_what_is_unknown
from pages._ui.page.sampling import sampling
from pages._ui.page.train_panel import live
from pages._ui.shared.moment import Moment
from pages._ui.views.common.everybody import View, for_everybody

__all__ = ["page"]

NOTHING: Mapping[str, Any] = MappingProxyType({})
TABS = ("Explore", "Sample", "Theory")


def page(
    model: str,
    *,
    first: Sequence[str] | None = None,
    units: Mapping[str, str] = NOTHING,
    panels: Sequence[str] = (),
    explore: Mapping[str, View] = NOTHING,
    theory: View | None = None,
    covered: Sequence[str] = (),
) -> None:
    """Draw everything under the title.

    Args:
        model: A name of MODELS.
        first: Hyperparameters that are always in sight; the first four otherwise.
        units: The unit of each term whose name does not end in it.
        panels: Terms whose curves come first.
        explore: The family's instruments by name. What a model can do for nothing comes after them.
        theory: The theory panel, where there is one.
        covered: What a model can do for nothing, and the family shows better.
    """
    start, cls = time.monotonic(), model_class(model)
    settings = ["preset", "data", *declared(cls), *declared(Settings)]
    say_what_is_unknown(settings)
    form, work = st.columns([1, 3], gap="large") if is_shown("form") else (st.container(), st.container())
    with form:
        chosen = choose(cls, first=first, drawn=is_shown("form"))
    with work:
        moment = live(model, chosen, units=units, first=panels)
    if moment is not None:
        st.fragment(_panels)(model, settings, moment, explore, theory, covered)
    st.session_state["page seconds"] = time.monotonic() - start


def _panels(
    model: str,
    settings: Sequence[str],
    moment: Moment,
    explore: Mapping[str, View],
    theory: View | None,
    covered: Sequence[str],
) -> None:
    """What is a function of the moment; a choice in it draws it alone again."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        tabs = [tab for tab in TABS if is_shown(tab.lower()) and (theory or tab != "Theory")]
        tab = url_widgets.choice("view", tabs, tabs[0], key="view", bare=True) if tabs else None
        place = st.container(width="content")
    try:
        match tab:
            case "Sample":
                sampling(moment)
            case "Theory" if theory:
                theory(moment)
            case "Explore":
                others = {name: view for name, view in for_everybody(moment).items() if name not in covered}
                views = {**explore, **others}
                names = list(views)
                views[url_widgets.choice("instrument", names, names[0], key="instrument", bare=True)](moment)
    except BadInput as error:  # of a model without its data, say
        st.info(str(error))
    with place:  # last, for it tells what the rest has chosen
        link_menu(model, settings, run=moment.id)
