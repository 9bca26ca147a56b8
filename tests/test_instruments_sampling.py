"""Samples of a run as a task: as many as asked, always the same for a seed, and no option that is not declared."""

import inspect

import numpy as np
import pytest

from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.instruments.samples import options, samples
from genmodels.jobs import tasks
from genmodels.models import MODELS
from genmodels.runs import store
from genmodels.runs.recorder import Recording


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    run = store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 5})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def drawn(run, n, seed=0, step=None, **options):
    """As a worker draws them, of the run's model at that step."""
    steps = tasks.steps_of(tasks.named(samples), {"run": run.id, "step": step, "n": n, "seed": seed, **options})
    assert inspect.isgenerator(steps)
    while True:
        try:
            assert 0 <= next(steps) <= 1
        except StopIteration as end:
            return end.value["x"]


def test_the_same_seed_gives_the_same_samples(run):
    x = drawn(run, 130, 7)
    assert x.shape == (130, 1, 8, 8)
    assert x.dtype == np.float32
    assert 0 <= x.min() <= x.max() <= 1
    assert np.array_equal(x, drawn(run, 130, 7))
    assert not np.array_equal(x, drawn(run, 130, 8))
    assert not np.array_equal(x, drawn(run, 130, 7, step=0))


def test_options_are_the_ones_the_model_declares(run):
    assert set(np.unique(drawn(run, 20, how={"draw": True}))) == {0, 1}
    with pytest.raises(BadInput, match="'drow' is not a hyperparameter here: did you mean draw"):
        drawn(run, 4, how={"drow": True})
    for entry in MODELS.values():
        assert isinstance(declared(options(entry.cls)), dict)


@pytest.mark.parametrize("bad", [{"n": 0}, {"n": 5000}, {"n": 4, "label": 3}, {"n": 4, "step": 77}])
def test_what_is_not_allowed_is_said(run, bad):
    with pytest.raises(BadInput):
        drawn(run, **bad)
