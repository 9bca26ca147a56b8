"""The page of a model, the same for all families: settings, train, explore, sample, theory."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from genmodels.errors import BadInput
from genmodels.models import model_class
from pages._ui.forms import choose
from pages._ui.live import live
from pages._ui.moment import Moment
from pages._ui.sampling import sampling

__all__ = ["page"]

TABS = ("Train", "Explore", "Sample", "Theory")


def page(
    model: str,
    *,
    first: Sequence[str],
    units: Mapping[str, str],
    panels: Sequence[str],
    explore: Mapping[str, Callable[[Moment], None]],
    theory: Callable[[Moment], None],
) -> None:
    """Draw everything under the title.

    Args:
        model: A name of MODELS.
        first: Hyperparameters that are always in sight.
        units: The unit of each term.
        panels: Terms whose curves come first.
        explore: The family's instruments by name.
        theory: The theory panel.
    """
    form, work = st.columns([1, 3], gap="large")
    with form:
        chosen = choose(model_class(model), first=first)
    with work:
        moment = live(model, chosen, units=units, first=panels)
    if moment is not None:
        st.fragment(_panels)(moment, explore, theory)


def _panels(moment: Moment, explore: Mapping[str, Callable[[Moment], None]], theory: Callable[[Moment], None]) -> None:
    """What is a function of the moment; a choice in it draws it alone again."""
    tab = st.segmented_control(
        "view", TABS[1:], default=TABS[1], key="view", bind="query-params", required=True, label_visibility="collapsed"
    )
    try:
        _panel_of(tab, moment, explore, theory)
    except BadInput as error:  # of a model without its data, say
        st.info(str(error))


def _panel_of(
    tab: str, moment: Moment, explore: Mapping[str, Callable[[Moment], None]], theory: Callable[[Moment], None]
) -> None:
    match tab:
        case "Sample":
            sampling(moment)
        case "Theory":
            theory(moment)
        case _:
            name = st.segmented_control(
                "instrument",
                list(explore),
                default=next(iter(explore)),
                key="instrument",
                bind="query-params",
                required=True,
                label_visibility="collapsed",
            )
            explore[name](moment)
