"""Home: what every family drew while it learned, and where to begin."""

from pathlib import Path

import streamlit as st

from genmodels.models import MODELS
from genmodels.runs.shipped import Piece, pieces
from genmodels.text import quoted
from pages._ui.components.films import Film, films

PAGES = Path(__file__).resolve().parents[1]
COLUMNS = 3
DOORS = {
    "Show me": (
        "models/ddpm.py",
        {"run": "ddpm-mnist", "instrument": "Denoise"},
        "Watch noise become digits step by step, then go back to any moment of the training. There is nothing to set.",
    ),
    "Let me play": (
        "models/vae.py",
        {},
        "Press Train: a model learns before your eyes. Walk through what it knows, change one thing, train again.",
    ),
    "I teach": (
        "lab/lesson.py",
        {},
        "An hour with a class, view by view, each with its question; and a wall on which its trainings appear live.",
    ),
}
"""The ways in: the page, what it opens on, and what is to be found there."""


def lead_on() -> None:
    """``?page=vae`` leads to that page: in the frame of a Space a link can name it in no other way."""
    state = st.query_params.to_dict()
    name = state.pop("page", None)
    if name is None:
        return
    pages = {path.stem: path for part in ("models", "lab") for path in sorted((PAGES / part).glob("[a-z]*.py"))}
    if name in pages:
        st.switch_page(pages[name], query_params=state)
    st.warning(f"The link says page = {quoted(name)}, which is not one of {', '.join(pages)}. This is the first page.")


def main() -> None:
    """A sentence, the films, three doors; then every model and the lab."""
    lead_on()
    st.title("A laboratory of deep generative models")
    st.write(
        "Every picture here was drawn by a model from the same noise throughout, while it learned. Click one to open "
        "the model at that moment."
    )
    shown = {piece.model: piece for piece in reversed(pieces())}
    models = [name for name in MODELS if (PAGES / "models" / f"{name}.py").exists()]
    learning({name: shown[name] for name in models if name in shown and shown[name].is_image})
    for column, (name, (path, state, about)) in zip(st.columns(len(DOORS)), DOORS.items(), strict=True):
        with column, st.container(border=True, gap="xsmall", height="stretch", key=f"card-{name.replace(' ', '-')}"):
            st.page_link(PAGES / path, label=f"**{name}**", query_params=state)
            st.write(about)
    st.subheader("Models", anchor=False)
    grid([(path_of(name), MODELS[name].title, MODELS[name].idea, state_of(shown.get(name))) for name in models])
    st.subheader("Lab", anchor=False)
    lab = sorted((PAGES / "lab").glob("[a-z]*.py"))
    titles = {path: path.stem.replace("_", " ").capitalize() for path in lab}
    grid([(path, title, says(path, title), {}) for path, title in titles.items()])


def learning(shown: dict[str, Piece]) -> None:
    """Films of checkpoints that learn; a click opens a checkpoint's page at that frame."""
    if shown and (clicked := films([film(name, piece) for name, piece in shown.items()], key="films")):
        name, frame = clicked
        for left in (f"opened/{shown[name].name}", "form of"):  # it opens at this frame, with its own settings
            st.session_state.pop(left, None)
        st.switch_page(path_of(name), query_params=state_of(shown[name], frame))


def grid(cards: list[tuple[Path, str, str, dict[str, str]]]) -> None:
    """Cards in rows, one below the other where the screen is narrow; a click anywhere on one follows its link."""
    for start in range(0, len(cards), COLUMNS):
        for column, (path, title, about, state) in zip(st.columns(COLUMNS), cards[start:], strict=False):
            with column, st.container(border=True, gap="xsmall", height="stretch", key=f"card-{path.stem}"):
                st.page_link(path, label=f"**{title}**", query_params=state)
                st.write(about)


def path_of(name: str) -> Path:
    """The page of a model."""
    return PAGES / "models" / f"{name}.py"


def says(path: Path, title: str) -> str:
    """A page's description, its first line, without the title that stands above it."""
    said = path.read_text(encoding="utf-8").partition("\n")[0].strip('"').removeprefix(f"{title}: ")
    return said[:1].upper() + said[1:]


# A film ---------------------------------------------------------------------------------------------------------------


def film(name: str, piece: Piece) -> Film:
    """A checkpoint's film with its captions."""
    captions = [f"step {piece.steps[i]:,} of {piece.steps[-1]:,}" for i in piece.shown]
    return Film(name, MODELS[name].title, f"samples of {piece.data} as it learns", piece.film, captions)


def state_of(piece: Piece | None, frame: int | None = None) -> dict[str, str]:
    """The parameters of a link that opens a page on this checkpoint, standing still at this frame."""
    if piece is None:
        return {}
    return {"run": piece.name} | ({} if frame is None else {"step": str(piece.steps[piece.shown[frame]])})


main()
