"""Known faults in real pictures: what goes in, what the meters say, and what FID costs of few samples."""

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels import random
from genmodels.errors import BadInput
from genmodels.experiments import faults
from genmodels.experiments.faults import FAULTS, METERS
from genmodels.jobs import queue
from genmodels.metrics.distances import frechet_distance
from pages._ui.views.experiments import meters
from tests.answers import at_once, finish

PAGE = "../pages/lab/trust_the_meter.py"


@pytest.fixture(scope="module")
def pool():
    return finish(faults.pooled("digits"))


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(faults, "NULLS", 12)
    monkeypatch.setattr(faults, "DRAWS", 2)


# What goes in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_set_and_the_one_that_it_is_held_against_share_no_picture(pool, fault, seed):
    for amount in FAULTS[fault].amounts:
        first, second, x, asked = faults.drawn(pool, fault, amount, seed)
        assert len(first) == len(second) == len(x) == len(asked) == pool.size
        assert not set(first.tolist()) & set(second.tolist())
        assert 0 <= x.min() <= x.max() <= 1 + 1e-6


def test_a_fault_of_no_size_is_none(pool):
    for fault in FAULTS:
        first, second, x, asked = faults.drawn(pool, fault, 0, 5)
        plain = faults.drawn(pool, "", 0, 5)
        assert torch.equal(first, plain[0])
        assert torch.equal(second, plain[1])
        assert torch.equal(x, pool.x[second])
        assert torch.equal(asked, pool.y[second])


@pytest.mark.parametrize("seed", range(3))
def test_each_fault_is_what_it_says(pool, seed):
    n = pool.size
    _, second, _, _ = faults.drawn(pool, "classes", 3, seed)
    assert len(pool.y[second].unique()) == 7
    assert len(second.unique()) == n  # no picture twice: that is another fault
    _, second, _, _ = faults.drawn(pool, "copies", 0.3, seed)
    assert len(second.unique()) == n - round(0.3 * n)
    _, second, _, asked = faults.drawn(pool, "labels", 0.1, seed)
    assert int((asked != pool.y[second]).sum()) == round(0.1 * n)
    _, second, x, _ = faults.drawn(pool, "noise", 0.1, seed)
    inside = (pool.x[second] > 0.4) & (pool.x[second] < 0.6)  # no clipping there
    assert (x - pool.x[second])[inside].std().item() == pytest.approx(0.1, rel=0.1)


def test_a_blur_keeps_the_ink_and_spreads_it():
    dot = torch.zeros(1, 1, 21, 21)
    dot[0, 0, 10, 10] = 1
    soft = faults.blurred(dot, 2.0)
    assert soft.sum().item() == pytest.approx(1, abs=1e-5)
    places = torch.arange(21.0) - 10
    for axis in (2, 3):
        spread = (soft.sum(5 - axis).flatten() * places.square()).sum().sqrt()
        assert spread.item() == pytest.approx(2.0, rel=0.03)


# What the meters say --------------------------------------------------------------------------------------------------


def test_meters_see_what_they_can_and_labels_are_seen_by_one(few):
    real = finish(faults.null("digits"))
    assert set(real) == {*METERS, "n"}
    read = {}
    for fault in ("noise", "labels", "classes"):
        told = finish(faults.response("digits", fault))
        assert told["pictures"].shape[:2] == (len(FAULTS[fault].amounts), faults.SHOWN)
        read[fault] = {meter: faults.reading(meter, fault, real[meter], told[meter]) for meter in METERS}
    assert read["noise"]["fid"].seen is not None
    assert not read["noise"]["fid"].fooled
    assert read["classes"]["recall"].seen is not None
    assert read["labels"]["as_asked"].seen is not None
    assert read["labels"]["fid"].seen is None  # the pictures are as they were: 2 sets at the largest size inside
    assert not read["labels"]["as_asked"].fooled


def test_a_fault_is_seen_from_where_on_it_is_always_seen():
    real = np.linspace(0, 1, 101)
    k = len(FAULTS["copies"].amounts)
    values = np.full((k, 8), 0.5)
    values[2] = 2.0  # by chance, and at larger sizes no more
    values[4:] = 2.0
    one = faults.reading("fid", "copies", real, values)
    assert one.seen == FAULTS["copies"].amounts[4]
    assert not one.fooled
    assert faults.reading("recall", "copies", real, values).fooled  # where higher is better it says too much
    values[4:, :2] = 0.5  # in six of eight sets
    assert faults.reading("fid", "copies", real, values).seen is None


def test_what_is_not_there_is_refused():
    with pytest.raises(BadInput, match="is not a fault"):
        finish(faults.response("digits", "dust"))
    with pytest.raises(BadInput, match="no judge"):
        finish(faults.null("two-moons"))


# FID and the number of samples ----------------------------------------------------------------------------------------


def test_fid_of_few_samples_is_too_large_by_what_is_expected():
    """Of one Gaussian whose covariance is known, n large beside D: the mean of 40 pairs within 4 standard errors."""
    d, n = 6, 2000
    scale = torch.linspace(0.5, 2, d).double()
    draws = [
        frechet_distance(*(scale * random.randn(n, d, rng=random.generator(2 * i + j)).double() for j in range(2)))
        for i in range(40)
    ]
    expected = faults.expected_bias(torch.diag(scale.square()), n)
    assert abs(np.mean(draws) - expected) < 4 * np.std(draws, ddof=1) / np.sqrt(len(draws)) + 0.02 * expected


def test_fid_falls_with_n_and_kid_does_not(few):
    told = finish(faults.bias("digits"))
    assert list(told["n"]) == [32, 64, 128, 256, 512]
    fid = told["fid"].mean(1)
    assert (np.diff(fid) < 0).all()
    assert fid[0] > 5 * fid[-1]
    assert (np.diff(told["expected"]) < 0).all()
    assert abs(told["kid"].mean()) < 0.2 * fid[0]


# The page -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["Faults", "Number of samples"])
def test_the_page_shows_every_meter(few, monkeypatch, what):
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr("pages._ui.views.experiments.meters.answer", at_once)
    test = AppTest.from_file(PAGE, default_timeout=120)
    test.query_params["what"] = what
    test.query_params["data"] = "digits"
    test.run()
    assert not test.exception
    table = test.dataframe[0].value
    if what == "Faults":
        assert list(table["measure"]) == [title for title, _ in METERS.values()]
        test.select_slider[0].set_value(FAULTS["blur"].amounts[-1]).run()
        assert not test.exception
        assert bool(test.dataframe[0].value["sees it"][0])
    else:
        assert list(table["n"]) == [32, 64, 128, 256, 512]


def test_the_page_shows_the_code_that_measures_beside_its_equation(few, monkeypatch):
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr("pages._ui.views.experiments.meters.answer", at_once)
    test = AppTest.from_file(PAGE, default_timeout=120)
    test.query_params["what"] = "Equations"
    test.query_params["data"] = "digits"
    test.run()
    assert not test.exception
    shown = [one.value for one in test.caption if one.value.startswith("`genmodels/metrics/distances.py:")]
    assert len(shown) == len(meters.DISTANCES)
    code = "".join(one.proto.body for one in test.get("html"))
    assert all(f"<b>def</b> {function.__name__}(" in code for function in meters.DISTANCES)
    fid = f"{np.median(finish(faults.null('digits'))['fid']):.5g}"
    assert any("real against real" in one.value and fid in one.value for one in test.latex)
