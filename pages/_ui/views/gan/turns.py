"""What does one turn of each player do? The game in slow motion; the visitor says who moves."""

import streamlit as st

from genmodels import figures, images
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.gan import turns
from genmodels.instruments.gan.game import Surface
from genmodels.models.bigan import BiGAN
from genmodels.quantities import quantity
from genmodels.text import number
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import paper, plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import real_points
from pages._ui.views.gan.game import belief, critic_of, pushes

__all__ = ["game"]

OPENING = "d6g6"  # what is played where the link says nothing: one of the two alone, then the other


def game(moment: Moment) -> None:
    """Step the critic alone, the generator alone, or both; then see each turn slowly."""
    critic, moves = critic_of(moment), st.query_params.get("moves", OPENING)
    _moves(critic)
    try:
        turns.turns_of(moves)
    except BadInput as error:
        st.warning(str(error))
        return
    settings = moment.run.plan.settings
    film = answer(turns.play, key="play", at_once=True, moment=moment, moves=moves, settings=settings)
    if film is None:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _film(moment, film, critic)
    with right:
        _now(moment, film)
    concluded(turns.conclusion(film, moves, critic))


def _moves(critic: str) -> None:
    """The buttons; each press adds to the moves in the link."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        times = url_widgets.choice("turns per press", (1, 5, 25), 5, key="play_times")
        for who, label in (("d", f"The {critic} alone"), ("g", "The generator alone"), ("b", "Both in turn")):
            st.button(label, on_click=_add, args=(f"{who}{times}",), key=f"play-{who}")
        st.button("Start over", on_click=_add, args=("",), key="play-again")
    st.caption(
        "A game from where the time machine stands, with the run's own losses, batches and learning rate; the "
        f"optimizers begin anew. Leave the {critic} alone for long, then the generator: it walks down one slope, and "
        "all samples end in the same place."
    )


def _add(move: str) -> None:
    st.query_params["moves"] = st.query_params.get("moves", "") + move if move else ""


def _film(moment: Moment, film: Arrays, critic: str) -> None:
    point_film(
        film["points"],
        key=f"game-{moment.id}",
        alt=f"Samples of fixed noise over what the {critic} believes, turn by turn.",
        extent=float(film["half"]),
        data=real_points(moment, label=0 if moment.model.classes else None).xy,
        under=images.sprite(turns.shades(film["maps"], figures.DATA, figures.SAMPLES, paper())),
        captions=_captions(film, critic, of_pairs=isinstance(moment.model, BiGAN)),
        side=440,
        fps=2.0,
        follow=True,
        autoplay="moves" not in st.query_params,
    )
    told = " All of it is of the first class, which samples were asked for." if moment.model.classes else ""
    st.caption(f"Blue ground: taken for data; orange: for samples. The orange dots are always the same noise.{told}")


def _captions(film: Arrays, critic: str, *, of_pairs: bool) -> list[str]:
    """A caption for each turn: who moved, and the number that the mover is after.

    The ground of a critic ``of_pairs`` is D(x, E(x)), and the generator's turn is the encoder's too.
    """
    names = film["names"].tolist()
    watched = next(name for name in turns.WATCHED if name in names)
    lines = ["before the first turn"]
    stays = "and the ground with the encoder" if of_pairs else "the ground stays"
    moves = (
        (critic, watched, turns.WATCHED[watched], "the ground moves, the dots stay"),
        ("generator", "generator_loss", "loss", f"the dots move, {stays}"),
    )
    for i, (turn, is_generator) in enumerate(zip(film["turn"][1:], film["mover"][1:], strict=True), 1):
        mover, name, what, effect = moves[is_generator]
        if turn - film["turn"][i - 1] > 1:
            mover, effect = "several turns", "both have moved"
        before, after = film["terms"][i - 1 : i + 1, names.index(name)]
        lines.append(f"turn {turn}, {mover}: {what} {number(before)} → {number(after)}; {effect}")
    return lines


def _now(moment: Moment, film: Arrays) -> None:
    """The last frame, large, with the generator's pushes."""
    half, turn = float(film["half"]), int(film["turn"][-1])
    samples = figures.Points("samples", film["points"][-1], figures.SAMPLES, size=5, outlined=True)
    real = real_points(moment, label=0 if moment.model.classes else None)
    title = f"After turn {turn}" if turn else "Before the first turn"
    unit = "f(x)" if critic_of(moment) == "critic" else "D − ½"
    figure = belief(Surface(half, film["maps"][-1], 0.0, unit), title=title, over=(real, samples))
    longest = pushes(figure, film["x"], film["push"], half)
    plot(figure.update_layout(height=480), key="game-now")
    terms = zip(film["names"].tolist(), film["terms"][-1], strict=True)
    st.caption(
        "An arrow is −∂L/∂x: where the generator's loss would move this sample if it were free; the generator moves "
        f"all of them at once, by its weights. The longest is {number(longest)} per unit of x. "
        + " · ".join(f"{quantity(name).title} {number(value)}" for name, value in terms)
    )
