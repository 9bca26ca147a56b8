"""The time of a preset is measured, or there is none."""

import pytest

from genmodels.data import mnist
from genmodels.data.datasets import Data
from genmodels.durations import worded
from genmodels.jobs import tasks
from genmodels.jobs.tasks import TaskJob
from genmodels.models.base import Preset
from genmodels.models.vae import VAE
from genmodels.runs import timing
from pages._ui.form import preset_time

SMALL = Preset("small", "digits", {"hidden": 16}, {"epochs": 3, "batch_size": 64})


def finish(steps):
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            assert progress == sorted(progress)
            return end.value


def test_it_is_the_number_of_steps_times_what_one_took(digits: Data) -> None:
    found = finish(timing.timed(**timing.question("vae", SMALL)))
    assert found["steps"] == 3 * (len(digits.train) // 64)
    assert 3 <= found["timed"] <= timing.STEPS
    assert 1e-5 < found["seconds"] / found["steps"] < 5
    more = Preset("more", "digits", SMALL.model, SMALL.training | {"epochs": 300})
    assert finish(timing.timed(**timing.question("vae", more)))["steps"] == 100 * found["steps"]


@pytest.mark.parametrize("name", ["gan", "ddpm"])
def test_every_family_can_be_timed(name: str) -> None:
    arguments = {"hidden": 8} if name == "gan" else {}
    found = finish(timing.timed(**timing.question(name, Preset("", "two-moons", arguments, {"steps": 50}))))
    assert found["steps"] == 50
    assert found["seconds"] > 0


def test_another_device_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.ask(timing.timed, **timing.question("vae", SMALL))
    assert tasks.look(timing.timed, **timing.question("vae", SMALL)) is not None
    monkeypatch.setattr(timing, "device", lambda: "another")
    assert tasks.look(timing.timed, **timing.question("vae", SMALL)) is None


def test_a_preset_has_its_time_in_the_menu_once_it_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAE, "presets", (SMALL, Preset("other", "mnist")))
    assert preset_time.labels(VAE)("small") == "small"
    job = TaskJob(tasks.ask(timing.timed, **timing.question("vae", SMALL)))
    assert preset_time.labels(VAE)("small") == "small"  # not before it is measured
    while job.advance(1.0):
        pass
    job.close()
    label = preset_time.labels(VAE)
    seconds = float(tasks.look(timing.timed, **timing.question("vae", SMALL)).answer()["seconds"])
    assert label("small") == f"small (about {worded(seconds)} here)"
    assert label("other") == "other"


def test_nothing_is_downloaded_to_be_timed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    assert timing.is_here("digits")
    assert timing.is_here("two-moons")
    assert timing.is_here("mnist")
    assert not timing.is_here("kmnist")
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in mnist.FILES:
        (raw / file).touch()
    assert timing.is_here("kmnist")


def test_a_fork_is_as_fast_as_its_own_steps_are() -> None:
    def rows(step, images):  # ten steps of 64 examples in two seconds, after what the parent had
        return [{"step": step + n, "seconds": 0.2 * n, "images": images + 64 * n} for n in (1, 2, 5, 10)]

    assert timing.of(rows(0, 0)) == pytest.approx((0.2, 320))
    assert timing.of(rows(5000, 320_000)) == pytest.approx((0.2, 320))


def test_one_row_is_no_speed() -> None:
    row = {"step": 1, "seconds": 0.2, "images": 64}
    assert timing.of([]) is None
    assert timing.of([row]) is None
    assert timing.of([row, row]) is None  # the same again
