"""The game turn by turn: only the mover moves, the film shows it, and the count of what the samples reach is right."""

from collections.abc import Generator

import numpy as np
import pytest
import torch

from genmodels import random
from genmodels.errors import BadInput
from genmodels.figures import DATA, SAMPLES
from genmodels.instruments.gan import game, modes, turns
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run

Arrays = dict[str, np.ndarray]


def trained(model: str, data: str = "eight-gaussians", **arguments: object) -> Run:
    run = store.create(model, data, arguments={"hidden": 16, "latent_dim": 2} | arguments, settings={"steps": 2})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def answer_of(steps: Generator[float, None, Arrays]) -> Arrays:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def played(run: Run, moves: str) -> Arrays:
    return answer_of(turns.play(run.model(), run.data(), moves, run.plan.settings))


def test_moves_are_turns():
    assert turns.turns_of("") == ""
    assert turns.turns_of("d3g1b2") == "dddg" + "dgdg"
    for wrong in ("d", "x3", "d3 g1", "d-1", "d9999"):
        with pytest.raises(BadInput, match="no list of moves"):
            turns.turns_of(wrong)
    assert len(turns.turns_of("b150")) == turns.MOST
    with pytest.raises(BadInput, match="at most 300"):
        turns.turns_of("b150d1")


@pytest.mark.parametrize("model", ["gan", "wgan", "bigan"])
def test_only_the_mover_moves(model):
    run = trained(model)
    found = played(run, "d3g2")
    assert found["turn"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found["mover"].tolist() == [-1, 0, 0, 0, 1, 1]
    moved = np.abs(np.diff(found["points"], axis=0)).max((1, 2)) > 0
    assert moved.tolist() == [False] * 3 + [True] * 2
    changed = np.abs(np.diff(found["maps"], axis=0)).max((1, 2)) > 0
    # BiGAN's discriminator sees E(x) beside x, and the encoder moves with the generator
    assert changed.tolist() == [True] * 3 + [model == "bigan"] * 2
    assert found["terms"].shape == (6, len(found["names"]))
    assert np.isfinite(found["terms"]).all()
    before = run.model()
    assert torch.equal(torch.as_tensor(found["points"][0]), before.sample(200, rng=random.generator(0)))
    again = played(run, "d3g2")
    assert all(np.array_equal(found[key], again[key]) for key in found)


def test_each_player_gains_by_its_own_turns():
    found = played(trained("wgan"), "d25g25")
    names = found["names"].tolist()
    estimate, loss = (found["terms"][:, names.index(name)] for name in ("wasserstein", "generator_loss"))
    assert estimate[25] > estimate[0]
    assert loss[50] < loss[25]


def test_a_long_game_has_a_short_film():
    found = played(trained("gan"), "b75")
    assert len(found["turn"]) <= turns.FRAMES + 1
    assert found["turn"][-1] == 150


def test_images_have_no_game():
    with pytest.raises(BadInput, match="on the plane"):
        played(trained("gan", "digits"), "d1")


def test_the_ground_is_paper_at_nought_and_coloured_on_both_sides():
    maps = np.array([[[1.0, 0.0], [-0.5, 0.0]]])
    frame = turns.shades(maps, DATA, SAMPLES, "#ffffff")[0]
    assert frame.shape == (3, 2, 2)
    below, above = frame[:, 0], frame[:, 1]  # x₂ rises in the map and falls in a picture
    assert (above[:, 1] == 255).all()
    assert (below[:, 1] == 255).all()
    assert above[0, 0] < 60 < above[2, 0]  # blue
    assert below[0, 0] > below[2, 0]  # orange


def test_what_the_samples_reach_is_counted_in_modes_and_in_classes(plane, digits):
    one = plane.plane.modes[:1].repeat(50, 1)
    found = game.reached(plane, one)
    assert (found.covered, found.of, found.close) == (1, 8, 1.0)
    assert game.reached(plane, plane.test.x[:1000]).covered == 8
    x = digits.prepare(digits.train.x, "unit")
    every = game.reached(digits, x[:500])
    assert (every.covered, every.of) == (10, 10)
    assert every.close > 0.95
    threes = game.reached(digits, x[digits.train.y == 3])
    assert threes.covered == 1
    assert int(np.argmax(threes.counts)) == 3


def test_classes_are_counted_at_every_snapshot_of_pictures():
    run = trained("wgan", "digits")
    table = answer_of(modes.history(run.id, run.snapshots(), 60))
    assert "w1" not in table
    assert table["counts"].shape == (len(run.snapshots()), 10)
    assert (table["counts"].sum(1) == 60).all()
    assert table["best"] > 0.9
    last = modes.count(run.model(2), run.data(), 60)
    assert (table["covered"][-1], table["close"][-1]) == (last.covered, last.close)
    assert table["counts"][-1].tolist() == list(last.counts)


def test_what_collapses_and_what_mends_it_differ_in_the_players_alone():
    for data in ("eight-gaussians", "digits"):
        cases = list(modes.cases(data, seed=3).values())
        first = cases[0]
        assert first["arguments"]["objective"] == "minimax"
        for case in cases:
            assert case["settings"] == first["settings"]
            assert case["settings"]["seed"] == 3
            assert case["arguments"]["hidden"] == first["arguments"]["hidden"]
            assert store.create(**case).plan.data == data
