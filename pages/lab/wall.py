"""A wall for a class: those who know its code see each other's runs, live, side by side and over each other."""

import streamlit as st

from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.runs import classroom
from genmodels.runs.classroom import Wall
from pages._ui.classroom import membership
from pages._ui.classroom.wall import banner, curves, mosaic

EVERY = 2.0  # seconds between two looks


def main() -> None:
    """A door, or what is on the wall; ``?projector=1`` shows that alone, large."""
    large = st.query_params.get("projector") == "1"
    if not large:
        st.title("Wall")
        st.caption("A class trains together: every run of those who have joined appears here, with its curves.")
    wall = membership.wall()
    if wall is None:
        door()
    else:
        if not large:
            controls(wall)
        shown(wall, large)


def door() -> None:
    """Build a wall, or join one."""
    with st.form("door", width=420):
        who = st.text_input(
            "Your nickname", max_chars=classroom.MOST_NAME, key="who", help="It is all that others see."
        )
        code = st.text_input("Code of the wall", max_chars=20, key="code", placeholder="five letters")
        with st.container(horizontal=True):
            join = st.form_submit_button("Join", type="primary", key="join")
            build = st.form_submit_button("Build a new wall", key="build")
    if not (join or build):
        return
    try:
        membership.join(classroom.find(code) if join else classroom.build(), who)
    except BadInput as error:
        st.warning(str(error))
        return
    st.rerun()


def controls(wall: Wall) -> None:
    """Who one is here, the teacher's view, and the way out."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.metric("Code", wall.code, width="content")
        now = membership.nickname()
        who = st.text_input("Your nickname", now, max_chars=classroom.MOST_NAME, width=220).strip()
        if who != now:
            membership.join(wall, who)
        if st.button("Projector", icon=":material/cast:", help="Large, without controls; the browser's Back returns."):
            st.query_params.update({"projector": "1", "hide": "menu"})
            st.rerun()
        if st.button("Leave"):
            membership.leave()
            st.rerun()
    st.caption(
        "What you train on any page from now on appears here. Others join by the code, or at "
        f"{membership.address(wall)} · It expires in {worded(wall.left())}."
    )


@st.fragment(run_every=EVERY)
def shown(wall: Wall, large: bool) -> None:
    """The newest samples of each run beside its data, and the curves of all."""
    try:
        hung = wall.entries()
        if large:
            banner(wall.code, membership.address(wall), len(hung))
        if not hung:
            go = "Open the address and press Train on any model." if large else "Choose a model and press Train."
            st.info(f"Nothing is here yet. {go}")
            return
        what = classroom.differences([run.plan for run, _ in hung])
        mosaic(hung, what, large=large)
        curves([run for run, _ in hung], what, large=large)
    except BadInput as error:  # it came down, or a run was deleted since it was listed: the next look knows
        st.warning(str(error))


main()
