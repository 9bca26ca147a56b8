"""Instruments on a page: in groups, each with a question and a sentence; only those that apply are offered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from genmodels.hyperparameters import Hyperparameter, Only
from pages._ui.form.form import read_url
from pages._ui.shared.moment import Moment

__all__ = ["GROUPS", "Instrument", "View", "explore", "of_images", "of_points", "offered"]

View = Callable[[Moment], None]
GROUPS = ("Play", "Understand", "When it fails")


def always(moment: Moment) -> bool:
    """It applies to whatever there is."""
    return True


def of_images(moment: Moment) -> bool:
    """It draws pictures."""
    return bool(moment.model.is_image)


def of_points(moment: Moment) -> bool:
    """It draws the plane."""
    return not moment.model.is_image


@dataclass(frozen=True)
class Instrument:
    """What can be done with a moment of a training.

    Attributes:
        draw: Draws it.
        group: One of :data:`GROUPS`.
        question: What it answers: its title.
        before: A sentence that says what to try or to look for.
        applies: Whether it can be used on a moment; what cannot is not offered.
    """

    draw: View
    group: str = "Understand"
    question: str = ""
    before: str = ""
    applies: Callable[[Moment], bool] = always

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"The group of an instrument is one of {', '.join(GROUPS)}, not {self.group}.")


def offered(known: Mapping[str, Instrument | View], moment: Moment) -> dict[str, Instrument]:
    """Those that apply to ``moment``, group by group; a bare view is an instrument that says nothing of itself."""
    made = {name: one if isinstance(one, Instrument) else Instrument(one) for name, one in known.items()}
    found = {name: one for name, one in made.items() if one.applies(moment)}
    return dict(sorted(found.items(), key=lambda item: GROUPS.index(item[1].group)))


def explore(known: Mapping[str, Instrument | View], moment: Moment) -> None:
    """A row of names for each group, and the instrument that was chosen; the link says which."""
    views = offered(known, moment)
    if not views:
        return
    names, default = tuple(views), next(iter(views))
    everything = {name: one if isinstance(one, Instrument) else Instrument(one) for name, one in known.items()}
    linked = st.query_params.get("instrument")
    if linked in everything and linked not in views:
        st.caption(f"*{linked}* cannot be used on this model; shown is *{default}*.")
        del st.query_params["instrument"]
    read_url({"instrument": Hyperparameter("instrument", str, default, Only(names, "instrument"))})
    chosen = st.query_params.get("instrument", default)
    groups = {group: [name for name in names if views[name].group == group] for group in GROUPS}
    several = sum(map(bool, groups.values())) > 1
    with st.container(horizontal=True, gap="medium", key="instruments"):
        for group, members in groups.items():
            if members:
                _row(group, members, chosen, default, several)
    one = views[chosen]
    if one.question:
        st.subheader(one.question, anchor=False)
    if one.before:
        st.markdown(one.before)
    one.draw(moment)


def _row(group: str, members: list[str], chosen: str, default: str, several: bool) -> None:
    key = f"instrument-{group}"
    mine = chosen if chosen in members else None
    if st.session_state.get(key) != mine:  # what is set anew in each run takes back a click that is on its way
        st.session_state[key] = mine

    def choose() -> None:
        name = st.session_state[key] or chosen  # pressed again, it stays
        if name == default:
            st.query_params.pop("instrument", None)
        else:
            st.query_params["instrument"] = name

    label = group if several else "instrument"
    seen: Literal["visible", "collapsed"] = "visible" if several else "collapsed"
    st.segmented_control(label, members, key=key, on_change=choose, label_visibility=seen)
