"""The wall that a visitor has joined: what they train goes on it. It is known to the session, and to the URL."""

from pathlib import Path

import streamlit as st

from genmodels.errors import BadInput
from genmodels.runs import classroom
from genmodels.runs.classroom import TooManyGuesses, Wall
from genmodels.runs.store import Run
from genmodels.text import titled
from pages._ui.form.lesson import link

PAGE = Path(__file__).resolve().parents[2] / "lab" / "wall.py"

__all__ = ["address", "enter", "join", "leave", "nickname", "say", "wall"]


def wall() -> Wall | None:
    """The wall joined, by the page or by a link with ``?room=CODE``; a code that leads to none is named."""
    joined = st.session_state.get("room", "")
    code = st.query_params.get("room", joined)
    if not code:
        return None
    try:
        room = classroom.find(code, joined)
    except TooManyGuesses as error:
        st.warning(str(error))
        return None
    except BadInput as error:
        st.warning(str(error))
        leave()
        return None
    join(room, nickname())
    return room


def nickname() -> str:
    """The visitor's nickname, as given here or in the URL; "" where they have not been asked yet."""
    return st.session_state.get("nickname") or st.query_params.get("who", "")[: classroom.MOST_NAME]


def join(wall: Wall, who: str) -> None:
    """From now on, what this visitor trains goes on ``wall`` under this nickname."""
    st.session_state["room"], st.session_state["nickname"] = wall.code, who
    wanted = {"room": wall.code} | ({"who": who} if who else {})
    if any(st.query_params.get(name) != value for name, value in wanted.items()):
        st.query_params.update(wanted)


def leave() -> None:
    """Leave the wall: what this visitor trains from now on goes on none."""
    st.session_state.pop("room", None)
    for name in ("room", "who"):
        st.query_params.pop(name, None)


def enter(run: Run) -> None:
    """A run has begun: onto the wall with it, if there is one."""
    if room := wall():
        room.enter(run, nickname())


def address(wall: Wall) -> str:
    """The URL under which others join it."""
    return link("wall", {"room": wall.code})


def say() -> None:
    """On a model's page: where its runs go; who came by a link is asked for a name first, once."""
    room = wall()
    if room is None:
        return
    if not nickname():
        with st.form("who", border=False), st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            who = st.text_input("Your name on the wall", max_chars=classroom.MOST_NAME, key="who-asked", width=220)
            if st.form_submit_button("This is me") and who.strip():
                join(room, who.strip())
                st.rerun()
        return
    who = titled(classroom.nickname(nickname()))
    label = f"What you train appears on the wall {room.code}, under the name {who}."
    st.page_link(PAGE, label=label, query_params={"room": room.code}, icon=":material/dashboard:")
