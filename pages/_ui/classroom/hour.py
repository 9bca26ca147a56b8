"""An hour with a class: views one after another, each a lesson link that carries its words, and knows the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from genmodels.text import whole
from pages._ui.form.lesson import is_presenting

__all__ = ["HOUR", "Step", "along", "page_of", "query"]

PAGES = Path(__file__).resolve().parents[2]
ALONE = "form,train,film,curves"  # what is left out where nothing is to be trained


@dataclass(frozen=True)
class Step:
    """A view of the classroom hour.

    Attributes:
        title: What it is about.
        page: The model's page that it is on, a name of MODELS.
        state: What its link says beside the words.
        words: What the class is to look for; they stand above the view.
    """

    title: str
    page: str
    state: Mapping[str, str]
    words: str


HOUR = (
    Step(
        "Noise becomes digits",
        "ddpm",
        {"run": "ddpm-mnist", "instrument": "Denoise", "hide": ALONE},
        "At which step do you know which digit it will be? Write it down, then scrub.",
    ),
    Step(
        "A map of all digits",
        "vae",
        {"run": "vae-mnist-2d", "instrument": "Manifold", "hide": ALONE},
        "Walk from a 4 to a 9. What stands on the border between them?",
    ),
    Step(
        "Half a digit, and the rest of it",
        "autoregressive",
        {"run": "autoregressive-mnist", "instrument": "Complete", "hide": ALONE},
        "How much must be given until only one digit is possible?",
    ),
    Step(
        "A plane that is bent, and never torn",
        "flow",
        {"run": "flow-two-moons", "instrument": "Microscope", "hide": ALONE},
        "Where does the gap between the two moons go?",
    ),
    Step(
        "Two networks play",
        "gan",
        {"run": "gan-eight-gaussians", "instrument": "Turn by turn", "hide": ALONE},
        "Let the generator alone move five times. Why do all its samples run to the same place?",
    ),
    Step(
        "A guess of what is lost",
        "vae",
        {"run": "vae-mnist-2d", "instrument": "Draw a digit", "hide": ALONE},
        "Draw a digit as you write it, then one as nobody does. Which of the two comes back as you drew it?",
    ),
    Step(
        "Now you",
        "gan",
        {"run": "gan-eight-gaussians", "instrument": "Mode collapse"},
        "Press Train, change one setting, press Train again: who covers all eight modes?",
    ),
)
"""From what can only be watched to what each pupil trains."""


def query(n: int, *, large: bool = False) -> dict[str, str]:
    """The URL parameters of the ``n``-th view, from 1; ``large``: that view alone, for a projector."""
    step = HOUR[n - 1]
    return {**step.state, "say": step.words, "lesson": str(n)} | ({"present": "1"} if large else {})


def page_of(n: int) -> Path:
    """The page of the ``n``-th view."""
    return PAGES / "models" / f"{HOUR[n - 1].page}.py"


def along() -> None:
    """On a page that such a link has opened: the way back, and the next view."""
    n = whole(st.query_params.get("lesson"))
    if n is None or not 1 <= n <= len(HOUR):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="along"):
        st.page_link(PAGES / "lab" / "lesson.py", label=f"Lesson, view {n} of {len(HOUR)}", width="content")
        for to, label in ((n - 1, "‹ Before: {}"), (n + 1, "Next: {} ›")):
            if 1 <= to <= len(HOUR):
                at = query(to, large=is_presenting())
                st.page_link(page_of(to), label=label.format(HOUR[to - 1].title), query_params=at, width="content")
