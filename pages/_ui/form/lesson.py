"""Lessons: a link opens a page on the very view that was prepared, and leaves out what would only distract.

The state of a page is in its URL; ``hide=form,curves,lr`` names what it is to leave out, parts and single settings.
``present`` shows one view alone, large, for a projector, and ``say=…`` puts the teacher's words above it.
"""

import os
from collections.abc import Iterable
from urllib.parse import urlencode

import streamlit as st

from genmodels.glossary import label
from genmodels.text import quoted

__all__ = ["PARTS", "is_presenting", "is_shown", "link", "link_menu", "say_what_is_unknown", "words"]

MOST_NAMED = 5  # of what a link has wrong
MOST_WORDS = 400  # characters of a teacher's
NOT_IN_A_LINK = ("hide", "lesson", "page", "present", "say", "who")  # what a link is given apart, or never

PARTS = {
    "menu": "the menu of pages",
    "form": "the form of settings",
    "train": "Train, Pause, Fork",
    "film": "the time machine",
    "curves": "the curves",
    "explore": "Explore",
    "sample": "Sample",
    "theory": "Theory",
    "link": "this button",
}
PRESENTED = ("explore", "sample", "theory")  # of the parts, for a projector


def is_shown(name: str) -> bool:
    """Whether the link has left ``name``, a part of the page or a setting of the form, in its place."""
    if is_presenting() and name in PARTS and name not in PRESENTED:
        return False
    return name not in _hidden()


def is_presenting() -> bool:
    """Whether the page is for a projector: one view alone, large."""
    return "present" in st.query_params


def words() -> str:
    """The teacher's words in the link, on one line: whoever shows them shows them as text."""
    return " ".join("".join(c if c.isprintable() else " " for c in st.query_params.get("say", "")).split())[:MOST_WORDS]


def say_what_is_unknown(settings: Iterable[str]) -> None:
    """Name what the link wants left out and no page has.

    Args:
        settings: The names of the form's.
    """
    known = [*PARTS, *settings]
    wrong = [name for name in _hidden() if name not in known]
    if wrong:
        st.warning(
            f"The link hides {', '.join(map(quoted, wrong[:MOST_NAMED]))}: what can be hidden is {', '.join(known)}."
        )


def link(page: str, state: dict[str, str], hide: Iterable[str] = (), **more: str) -> str:
    """The URL that opens ``page`` on ``state``, without ``hide``; ``more`` is in it whatever it is.

    The frame in which the Hub shows a Space is given the query alone: there the page is named in it.
    """
    state = {name: value for name, value in state.items() if name not in NOT_IN_A_LINK} | more
    if hide := ",".join(hide):
        state["hide"] = hide
    if space := os.environ.get("SPACE_ID"):
        return f"https://huggingface.co/spaces/{space}?{_query({'page': page} | state)}"
    base = (st.context.url or "").partition("?")[0].rstrip("/").rpartition("/")[0]
    return f"{base}/{page}?{_query(state)}"


def link_menu(page: str, settings: Iterable[str], **state: str) -> None:
    """A button that makes a link to the page as it stands.

    Args:
        page: Its name.
        settings: The names of the form's.
        state: What is not in the URL yet.
    """
    if not is_shown("link"):
        return
    about = "It opens on what you see now."
    menu = st.popover("Link to this view", key="link", icon=":material/link:", help=about, on_change="rerun")
    if not menu.open:  # a dozen widgets, which every run of the page would draw for nothing
        return
    with menu:
        st.caption("Everything that you have set is in it. It may leave out:")
        left_out = [name for name, what in PARTS.items() if st.checkbox(what, not is_shown(name), key=f"hide-{name}")]
        single = [name for name in settings if not is_shown(name)]
        left_out += st.multiselect("Single settings", list(settings), single, format_func=label, key="hide-settings")
        alone = st.checkbox("For a projector: this view alone, large", key="link-present")
        said = st.text_area("Your words above it", words(), key="link-say", max_chars=MOST_WORDS, height=80).strip()
        more = {"present": "1"} if alone else {}
        more |= {"say": said} if said else {}
        st.code(link(page, st.query_params.to_dict() | state, left_out, **more), language=None, wrap_lines=True)


def _hidden() -> list[str]:
    return [name for name in st.query_params.get("hide", "").split(",") if name]


def _query(state: dict[str, str]) -> str:
    return urlencode(state, safe=",/:@")
