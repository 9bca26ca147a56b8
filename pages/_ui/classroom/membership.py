"""The wall that a visitor has joined: what they train goes on it. It is known to the session, and to the URL."""

from pathlib import Path

import streamlit as st

from genmodels.errors import BadInput
from genmodels.runs import classroom
from genmodels.runs.classroom import Wall
from genmodels.runs.store import Run
from genmodels.text import titled

PAGE = Path(__file__).resolve().parents[2] / "lab" / "wall.py"

__all__ = ["enter", "join", "leave", "say", "wall"]


def wall() -> Wall | None:
    """The wall joined, by the page or by a link with ``?room=CODE``; a code that leads to none is named."""
    code = st.query_params.get("room", st.session_state.get("room"))
    if not code:
        return None
    try:
        found = classroom.find(code)
    except BadInput as error:
        st.warning(str(error))
        leave()
        return None
    join(found, st.session_state.get("nickname", ""))
    return found


def join(wall: Wall, who: str) -> None:
    """From now on, what this visitor trains goes on ``wall`` under this nickname."""
    st.session_state["room"], st.session_state["nickname"] = wall.code, who
    if st.query_params.get("room") != wall.code:
        st.query_params["room"] = wall.code


def leave() -> None:
    """No longer."""
    st.session_state.pop("room", None)
    st.query_params.pop("room", None)


def enter(run: Run) -> None:
    """A run has begun: onto the wall with it, if there is one."""
    if found := wall():
        found.enter(run, st.session_state.get("nickname", ""))


def say() -> None:
    """On a model's page: where its runs go."""
    if found := wall():
        who = titled(classroom.nickname(st.session_state.get("nickname", "")))
        label = f"What you train hangs on the wall {found.code}, under the name {who}."
        st.page_link(PAGE, label=label, query_params={"room": found.code}, icon=":material/dashboard:")
