"""The two players turn by turn, in slow motion: the visitor says who moves."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.errors import BadInput
from genmodels.instruments.gan import turns as lab
from genmodels.instruments.gan.game import Surface
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.diffusion.film import Array, paper
from pages._ui.views.gan.game import belief, legend_above, only_planes, real_points, said

__all__ = ["game"]

JUDGES = {"gan": "discriminator", "wgan": "critic", "bigan": "discriminator"}
WATCHED = {"value": "V", "wasserstein": "estimate", "discriminator_loss": "its loss"}
"""What is said of the judge's turn: the first of these that there is."""


def game(moment: Moment) -> None:
    """Step the judge alone, the generator alone, or both; then see each turn slowly."""
    if not only_planes(moment):
        return
    judge = JUDGES[moment.run.plan.model]
    _moves(judge)
    moves = st.query_params.get("moves", "")
    try:
        lab.turns_of(moves)
    except BadInput as error:
        st.warning(str(error))
        return
    found = answer(lab.play, key="play", at_once=True, moment=moment, moves=moves)
    if found is None:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _film(moment, found, judge)
    with right:
        _now(moment, found)


def _moves(judge: str) -> None:
    """The buttons; each press adds to the moves in the link."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        times = url_widgets.choice("turns at a press", (1, 5, 25), 5, key="play_times")
        for who, label in (("d", f"The {judge} alone"), ("g", "The generator alone"), ("b", "Both in turn")):
            st.button(label, on_click=_add, args=(f"{who}{times}",), key=f"play-{who}")
        st.button("Start over", on_click=_add, args=("",), key="play-again")
    st.caption(
        "A game from where the time machine stands, with the run's own losses, batches and learning rate; the "
        f"optimizers begin anew. Leave the {judge} alone for long, then the generator: it walks down one slope, and "
        "all samples end in the same place."
    )


def _add(move: str) -> None:
    st.query_params["moves"] = st.query_params.get("moves", "") + move if move else ""


def _film(moment: Moment, found: Mapping[str, Array], judge: str) -> None:
    under = images.sprite(lab.shades(found["maps"], figures.DATA, figures.SAMPLES, paper()))
    point_film(
        found["points"],
        key=f"game-{moment.id}",
        alt="Samples of fixed noise over what the judge believes, turn by turn.",
        extent=float(found["half"]),
        data=moment.data.test.x[:300].numpy(),
        under=under,
        captions=_captions(found, judge),
        side=440,
        fps=2.0,
        follow=True,
    )
    st.caption("Blue ground: taken for data; vermilion: for samples. The vermilion dots are always the same noise.")


def _captions(found: Mapping[str, Array], judge: str) -> list[str]:
    """What happened in each turn, in words and with the number that the mover is after."""
    names = found["names"].tolist()
    seen = next(name for name in WATCHED if name in names)
    lines = ["before the first turn"]
    for i, (turn, who) in enumerate(zip(found["turn"][1:], found["mover"][1:], strict=True), 1):
        name, mover, effect = (
            ("generator_loss", "generator", "the dots move, the ground stays")
            if who
            else (seen, judge, "the ground moves, the dots stay")
        )
        before, after = found["terms"][i - 1 : i + 1, names.index(name)]
        quantity = "its loss" if who else WATCHED[seen]
        if turn - found["turn"][i - 1] > 1:
            mover, effect = "several turns", "both have moved"
        lines.append(f"turn {turn}, {mover}: {quantity} {said(before)} → {said(after)}; {effect}")
    return lines


def _now(moment: Moment, found: Mapping[str, Array]) -> None:
    """The last frame, large, with the generator's pushes."""
    half, points = float(found["half"]), found["points"][-1]
    surface = Surface(half, found["maps"][-1], 0.0, "score")
    clouds = real_points(moment), figures.Points("samples", points, figures.SAMPLES, size=4)
    turn = int(found["turn"][-1])
    figure = belief(surface, title=f"After turn {turn}" if turn else "Before the first turn", over=clouds)
    longest = max(float(np.linalg.norm(found["push"], axis=1).max()), 1e-12)
    figures.arrows(figure, found["x"], found["push"], name="push", color=figures.NEUTRAL, length=0.2 * half / longest)
    plot(legend_above(figure, 480), key="game-now")
    terms = zip(found["names"].tolist(), found["terms"][-1], strict=True)
    st.caption(
        f"An arrow is where the generator's next turn would move this sample, the longest {longest:.3g} per unit of x. "
        + " · ".join(f"{name.replace('_', ' ')} {said(value)}" for name, value in terms)
    )
