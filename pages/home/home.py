"""Home: every model's idea, and what it drew while it learned."""

import ast
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from genmodels.models import MODELS
from genmodels.runs.shipped import Piece, pieces
from genmodels.text import quoted
from pages._ui.components.scrubber import point_film, scrubber

PAGES = Path(__file__).resolve().parents[1]
COLUMNS = 3
WIDTH = 460  # of a film, CSS pixels, where there is room


def lead_on() -> None:
    """``?page=vae`` leads to that page: in the frame of a Space a link can name it in no other way."""
    state = st.query_params.to_dict()
    name = state.pop("page", None)
    if name is None:
        return
    found = {path.stem: path for part in ("models", "lab") for path in sorted((PAGES / part).glob("[a-z]*.py"))}
    if name in found:
        st.switch_page(found[name], query_params=state)
    st.warning(f"The link says page = {quoted(name)}, which is not one of {', '.join(found)}. This is the first page.")


def main() -> None:
    """A sentence, the models, the lab."""
    lead_on()
    st.title("A laboratory of deep generative models")
    st.write(
        "Choose a model and press Train: it learns before your eyes, on real digits or on a density whose truth is "
        "known. Go back to any moment of the training, ask the model anything there, change one thing and go on. "
        "Beside every equation stands the code that computes it."
    )
    shown = {piece.model: piece for piece in reversed(pieces())}
    models = [name for name in MODELS if (PAGES / "models" / f"{name}.py").exists()]
    cards({name: functools.partial(model, name, shown.get(name)) for name in models})
    st.subheader("Lab")
    cards({path.stem: functools.partial(bench, path) for path in sorted((PAGES / "lab").glob("[a-z]*.py"))})


def cards(draw: Mapping[str, Callable[[], None]]) -> None:
    """Cards in rows, one below the other where the screen is narrow; a click anywhere on one follows its link."""
    for start in range(0, len(draw), COLUMNS):
        for column, (name, one) in zip(st.columns(COLUMNS), [*draw.items()][start : start + COLUMNS], strict=False):
            with column, st.container(border=True, gap="xsmall", height="stretch", key=f"card-{name}"):
                one()


def model(name: str, piece: Piece | None) -> None:
    """What it drew at each snapshot from the same noise, its idea, and the way to its page, which shows just that."""
    entry, shown = MODELS[name], {"run": piece.name} if piece else {}
    if piece is not None:
        captions = [f"{piece.data}, step {step:,} of {piece.steps[-1]:,}" for step in piece.steps]
        alt = f"samples of a {entry.title.lower()} as it learns, from the same noise throughout"
        if piece.is_image:
            film = piece.film()
            scrubber(
                film,
                key=f"film-{name}",
                alt=alt,
                captions=captions,
                scale=WIDTH / film.size[0],
                fps=3,
                autoplay=True,
                controls=False,
            )
        else:
            extent = float(abs(piece.samples[-1]).max())
            points, last = piece.samples[:, :300], len(piece.samples) - 1
            point_film(points, key=f"film-{name}", alt=alt, captions=captions, extent=extent, side=200, start=last)
    st.page_link(PAGES / "models" / f"{name}.py", label=f"**{entry.title}**", query_params=shown)
    st.write(entry.idea)


def bench(path: Path) -> None:
    """A page about all models: its name, and the first line of what it says of itself."""
    about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    st.page_link(path, label=f"**{path.stem.replace('_', ' ').capitalize()}**")
    st.write(about.partition("\n")[0])


main()
