"""The game of two players, turn by turn: who moves is the visitor's choice, and what each turn does can be watched."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments import plane
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.gan.game import arrows, numbers, surface
from genmodels.models.adversarial import Adversarial
from genmodels.text import number, quoted
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["MOST", "WATCHED", "conclusion", "play", "shades", "turns_of"]

MOST = 300  # turns of a game
FRAMES = 60  # of its film
SIDE, POINTS = 48, 200  # of the map in the film; samples in it
LONG = 1_000_000  # steps of the training that the turns are taken from: its end, and its logs, are far away

WATCHED = {"value": "V(D, G)", "wasserstein": "estimate", "discriminator_loss": "loss"}
"""What a critic tells of the game: the first of these terms that it has, and what it is called."""


def turns_of(moves: str) -> str:
    """Who moves, a letter a turn, of moves like "d5g1b2": d is the critic, g the generator, b one after the other.

    Raises:
        BadInput: If it says something else, or more than MOST turns.
    """
    if not re.fullmatch(r"([dgb]\d{1,3})*", moves):
        raise BadInput(f"moves = {quoted(moves)} is no list of moves: it is like d5g1b2, with d, g or b and how often.")
    turns = "".join({"b": "dg"}.get(who, who) * int(times) for who, times in re.findall(r"([dgb])(\d+)", moves))
    if len(turns) > MOST:
        raise BadInput(f"These are {len(turns)} turns, and a game has at most {MOST}: start over.")
    return turns


def play(model: Adversarial, data: Data, moves: str, settings: dict[str, Any]) -> Task:
    """The game from this moment of a training on, by ``moves`` (:func:`turns_of`). A task.

    Losses are the model's, batches and learning rate those of ``settings``, which are a run's; the optimizers begin
    anew, for a moment holds weights alone.

    Returns:
        For each of T frames, the first before any turn: "turn", how many were taken, (T,); "mover", 0 the critic, 1 the
        generator, −1 nobody, (T,); "points", the samples of fixed noise, (T, N, 2); "maps", what the critic believes,
        less "middle", (T, side, side), x₂ by rows, rising; "terms", every term of "names" on fixed examples, (T, K).
        Of the last frame: "x" and "push", samples and −∂L/∂x at each, (M, 2); "half", the square that is shown.

    Raises:
        BadInput: If the run's model makes images, or the moves are none.
    """
    turns = turns_of(moves)
    if not isinstance(model, Adversarial) or model.is_image:
        raise BadInput("The game is shown on the plane, between two players: this run is not of that kind.")
    model = copy.deepcopy(model)
    half = DATASETS[data.name].extent
    frames = [_frame(model, data, half, 0, -1)]
    every = max(1, -(-len(turns) // FRAMES))
    for i, who in enumerate(_taken(model, data, settings, turns), 1):
        if i % every == 0 or i == len(turns):
            frames.append(_frame(model, data, half, i, int(who == "g")))
        yield i / len(turns)
    x, push = arrows(model.eval(), data, 100, label=0 if model.classes else None)
    film = {key: np.stack([frame[key] for frame in frames]) for key in frames[0]}
    return film | arrays(names=list(numbers(model, data)), x=x, push=push, half=half)


def conclusion(film: Arrays, moves: str, critic: str) -> str:
    """The change after a game of these moves, in a sentence: where the samples are, and what the critic tells."""
    turns, names = turns_of(moves), film["names"].tolist()
    if not turns:
        return "Nobody has moved yet: let one of the two, and what it changes stands here in numbers."
    moved = ((turns.count("d"), critic), (turns.count("g"), "generator"))
    who = " and ".join(f"{n} turn{'s' * (n > 1)} of the {player}" for n, player in moved if n)
    way = np.linalg.norm(film["points"][-1] - film["points"][0], axis=-1).mean()
    watched = next(name for name in WATCHED if name in names)
    before, after = (number(value) for value in film["terms"][[0, -1], names.index(watched)])
    went = f"the {critic}'s {WATCHED[watched]} went from {before} to {after}"
    return f"In {who} the samples moved by {number(way)} on average, and {went}."


def _taken(model: Adversarial, data: Data, settings: dict[str, Any], turns: str) -> Iterator[str]:
    """Take the turns, one after the other, with the loop that every training uses."""
    plain = {"steps": LONG, "decay": "constant", "warmup": 0, "ema": 0.0, "compile": False, "precision": "float32"}
    training = Training(model, data, Settings.of(settings | plain), device=model.device)
    critic, generator = model.players()
    for who in turns:
        training.turns = (generator if who == "g" else critic,)
        training.step()
        training.check()  # terms of one player are not averaged with those of the other
        model.eval()
        yield who  # and it is looked at, before the next turn
        model.train()


def _frame(model: Adversarial, data: Data, half: float, turn: int, mover: int) -> Arrays:
    """A frame of the film: samples, the critic's belief and the terms after one turn."""
    z = random.randn(POINTS, model.latent_dim, rng=random.generator(0, model.device))
    y = torch.zeros(POINTS, dtype=torch.int64, device=model.device) if model.classes else None  # as the ground is of 0
    with torch.no_grad():
        points = model.decode(z, y)
    belief = surface(model, half, side=SIDE, label=0 if model.classes else None)
    maps, terms = (belief.values - belief.middle).astype(np.float32), list(numbers(model, data).values())
    return arrays(turn=turn, mover=mover, points=points, maps=maps, terms=terms)


def shades(maps: Array, above: str, below: str, paper: str) -> Array:
    """Maps (T, H, W), x₂ rising, as frames (T, 3, H, W), x₂ falling: ``paper`` at 0, two colours above and below it.

    The strongest colour is that of the largest value in all frames, so that they can be compared.
    """
    return plane.shades(maps / max(float(np.abs(maps).max()), 1e-12), above, below, paper)
