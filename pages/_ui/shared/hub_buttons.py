"""Checkpoints of the Hub on a page: pulled in the background, by a button, never while a page is drawn."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from genmodels.errors import BadInput
from genmodels.host import limits
from genmodels.hub import client
from genmodels.hub.checkpoints import pull, pulled
from genmodels.hub.client import Place
from genmodels.jobs import background
from genmodels.jobs.background import Errand
from genmodels.runs.store import Run

__all__ = ["act_button", "may_be_anywhere", "on_the_hub", "open_button", "pull_button", "wait"]

MODEL_PAGES = Path(__file__).resolve().parents[2] / "models"


def may_be_anywhere() -> bool:
    """Whether visitors may name any repository: the disk of a shared host is not theirs."""
    return not limits.is_shared()


def on_the_hub(name: str) -> Run | None:
    """The run of the checkpoint that a URL names, hf://…; where it is not here yet, a button that pulls it.

    Raises:
        BadInput: If it is no such name, or this host shows another repository, or another revision of it, only.
    """
    place = Place.parse(name)
    if run := pulled(place):
        return run
    own = client.repository()
    if not may_be_anywhere() and (own is None or (place.repo, place.revision) != (own.repo, own.revision)):
        where = f"{own.repo}@{own.revision}".removesuffix("@") if own else "no repository"
        raise BadInput(f"{place} is not shown here: this host pulls from {where} only.")
    st.info(f"{place} is on the Hub and not here yet.")
    pull_button(place, f"Pull {place.subfolder or place.repo}", "pull-linked")
    return None


def pull_button(place: Place, label: str, key: str) -> None:
    """Pulls in the background; shows how far it is, or why it came to nothing."""
    act_button(f"pull {place}", label, key, lambda errand: pull(place, errand.tell), f"Pulling {place}")


def act_button(name: str, label: str, key: str, act: Callable[[Errand], Run], text: str = "Working") -> None:
    """Does what makes a run in the background, and then offers to open it; or says why it came to nothing."""
    errand = background.look(name)
    if errand is not None and not errand.done.is_set():
        wait(name, text)
        return
    if errand is not None and errand.problem:
        st.error(errand.problem)
    elif errand is not None and not name.startswith("pull ") and errand.result.path.exists():
        open_button(errand.result, f"open-{key}")
    if st.button(label, key=key, type="primary", icon=":material/download:"):
        background.send(name, act)
        st.rerun()


@st.fragment(run_every=0.5)
def wait(name: str, text: str) -> None:
    """How far an errand is; the page is drawn again when it is done."""
    errand = background.look(name)
    if errand is None or errand.done.is_set():
        st.rerun()
    st.progress(errand.fraction, f"{text} {errand.text}")


def open_button(run: Run, key: str) -> None:
    """To the model's page, with this run on it."""
    page = MODEL_PAGES / f"{run.plan.model}.py"
    if not page.exists():
        st.caption(f"It is run `{run.id}`; its model has no page yet.")
    elif st.button(f"Open {run.title}", key=key, type="primary", icon=":material/open_in_new:"):
        origin = run.plan.origin
        named = origin.name if origin and origin.name.startswith("hf://") else run.id
        st.switch_page(page, query_params={"run": named})
