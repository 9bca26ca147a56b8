"""Judges: they ship, they can tell digits apart, and what is worse scores worse."""

import dataclasses
import json
import shutil

import pytest
import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.metrics import judge as features
from genmodels.metrics.distances import frechet_distance
from genmodels.metrics.judge import CHECKPOINTS, Judge, Seen, judge, quality, quality_floor

SHIPPED = ("mnist", "digits")


@pytest.fixture(scope="module")
def digits() -> datasets.Data:
    return datasets.load("digits")


def unit(data, split):
    return data.prepare(split.x, "unit")


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.99), ("digits", 0.95)])
def test_a_judge_ships_with_the_command_that_made_it(name, least):
    config = json.loads((CHECKPOINTS / f"features-{name}" / "config.json").read_text())
    assert config["test_accuracy"] >= least
    assert config["seed"] == 0
    assert config["command"].startswith(f"python -m genmodels.metrics.judge {name} ")
    one = judge(name)
    assert not one.training
    seen = one.see(torch.zeros(3, *config["shape"]))
    assert seen.features.shape == (3, config["width"])
    assert torch.allclose(seen.probabilities.sum(1), torch.ones(3))


def test_all_that_ships_is_small():
    sizes = [path.stat().st_size for name in SHIPPED for path in (CHECKPOINTS / f"features-{name}").iterdir()]
    assert sum(sizes) < 2e6


def test_the_accuracy_and_the_floor_are_those_that_were_written_down(digits):
    config = json.loads((CHECKPOINTS / "features-digits" / "config.json").read_text())
    assert features.accuracy(judge("digits"), digits) == pytest.approx(config["test_accuracy"])
    measured = quality_floor(digits, config["floor_n"])
    assert measured == pytest.approx(config["floor"], rel=1e-3, abs=1e-3)


def test_the_floor_of_mnist_that_was_written_down_is_that_of_the_cards():
    config = json.loads((CHECKPOINTS / "features-mnist" / "config.json").read_text())
    card = json.loads((CHECKPOINTS / "gan-mnist" / "measures.json").read_text())
    assert config["floor_n"] == card["examples"]
    names = ("fid", "precision", "recall", "density", "coverage", "confidence")
    told = {f"{name}{end}": card[f"judge_{name}_floor{end}"] for name in names for end in ("", "_se")}
    assert {name: config["floor"][name] for name in told} == pytest.approx(told, rel=1e-3, abs=1e-5)


def test_the_features_variances_add_up_to_100(digits):
    seen = judge("digits").see(unit(digits, digits.train))
    assert seen.features.var(0).sum().item() == pytest.approx(100, rel=0.01)
    assert (seen.features >= 0).all()


def test_worse_pictures_score_worse(digits):
    one = judge("digits")
    real, other = (unit(digits, split) for split in (digits.test, digits.train))
    n, rng = len(real), random.generator(0)
    seen = one.see(real)
    noisy = (other[:n] + 0.3 * random.randn(*real.shape, rng=rng)).clamp(0, 1)
    only_ones = other[digits.train.y == 1].repeat(2, 1, 1, 1)[:n]
    fair, blurred, narrow, junk = (
        quality(seen, one.see(x), rng=random.generator(0))
        for x in (other[:n], noisy, only_ones, random.rand(*real.shape, rng=rng))
    )
    assert fair.fid < blurred.fid < junk.fid
    assert fair.fid < narrow.fid
    assert abs(fair.kid) < 3 * fair.kid_se < junk.kid
    assert narrow.score < 2 < 8 < fair.score <= 10
    assert narrow.recall < 0.5 * fair.recall
    assert junk.precision < fair.precision
    assert blurred.confidence < fair.confidence
    least = quality_floor(digits, n)
    assert 0 < least["fid_se"] < least["fid"] < blurred.fid


def test_quality_is_of_the_features_it_is_given():
    rng = random.generator(0)
    a, b = (Seen(random.randn(60, 4, rng=rng), random.rand(60, 3, rng=rng).softmax(1)) for _ in range(2))
    assert quality(a, b).fid == frechet_distance(a.features, b.features)


def test_nothing_seen_is_an_empty_answer():
    seen = judge("digits").see(torch.zeros(0, 1, 8, 8))
    assert seen.features.shape[0] == seen.probabilities.shape[0] == 0


def test_in_batches_or_at_once_it_sees_the_same(monkeypatch):
    x = random.rand(30, 1, 8, 8, rng=random.generator(0))
    whole = judge("digits").see(x)
    monkeypatch.setattr(features, "AT_ONCE", 7)
    parts = judge("digits").see(x)
    torch.testing.assert_close(parts.features, whole.features)
    torch.testing.assert_close(parts.probabilities, whole.probabilities)


def test_the_wrong_shape_is_refused():
    with pytest.raises(BadInput, match=r"\(1, 8, 8\), not \(1, 28, 28\)"):
        judge("digits").see(torch.zeros(2, 1, 28, 28))


def test_where_there_is_no_judge_one_is_told_how_to_make_it(tmp_path):
    with pytest.raises(BadInput, match=r"no judge for 'kmnist'.*genmodels\.metrics\.judge"):
        judge("kmnist", root=tmp_path)


@pytest.mark.parametrize("harm", ["weights", "config", "shape"])
def test_a_damaged_judge_says_so(tmp_path, harm):
    folder = tmp_path / "features-digits"
    shutil.copytree(CHECKPOINTS / "features-digits", folder)
    config = json.loads((folder / "config.json").read_text())
    match harm:
        case "weights":
            (folder / "model.safetensors").write_bytes(b"no")
        case "config":
            del config["width"]
        case "shape":
            config["classes"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="damaged"):
        judge("digits", root=tmp_path)


def test_a_judge_is_trained_stored_and_read_back(tmp_path, digits):
    few = dataclasses.replace(digits, train=datasets.Split(digits.train.x[::4], digits.train.y[::4]))
    one = features.train(few, epochs=12, seed=0, channels=16, width=16)
    again = features.store(one, tmp_path / "features-digits", {"seed": 0})
    assert isinstance(again, Judge)
    x = unit(digits, digits.test)
    difference = (one.see(x).probabilities - again.see(x).probabilities).abs().max()
    assert 0 < difference < 0.02  # half precision
    assert features.accuracy(again, digits) > 0.5
    twin = features.train(few, epochs=12, seed=0, channels=16, width=16)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), twin.parameters(), strict=True))


def test_a_move_is_a_move():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 3, 4] = 1
    assert features._moved(x, [0, 0], 1)[0, 0, 3, 4] == 1
    assert features._moved(x, [1, -1], 1)[0, 0, 2, 5] == 1
