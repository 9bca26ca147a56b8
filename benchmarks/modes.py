"""Do the adversarial presets of the plane hold what they promise, over five seeds? ``python -m benchmarks.modes``."""

import argparse
import sys
import time

import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.instruments.gan.game import Coverage, coverage, reached, w1_floor
from genmodels.metrics.distances import wasserstein1
from genmodels.models.base import Preset, build
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings

SAMPLES = 4000
POINTS = 1000  # of an exact distance
FROZEN = 0.03  # of the training: the generator is still far away, and its distance well above the floor
TURNS = 1500  # of the critic alone, until its estimate stands
CLOSE, OFF = 0.90, 0.15  # what is promised
SECONDS = {"wgan": 60.0, "gan": 25.0}  # of processor time
PLANES = ("eight-gaussians", "gaussian-grid")


def chosen() -> list[tuple[str, Preset]]:
    """The presets, by their model: WGANs under a gradient penalty, relativistic GANs."""
    of_wgan = [("wgan", one) for one in WGAN.presets if one.model.get("penalty", "gp") == "gp"]
    of_gan = [("gan", one) for one in GAN.presets if one.model.get("objective") == "relativistic"]
    return [(model, preset) for model, preset in of_gan + of_wgan if preset.data in PLANES]


def training_of(preset: Preset, data: datasets.Data, seed: int, model_name: str = "wgan") -> Training:
    """The training that the preset names, with another seed."""
    torch.manual_seed(seed)
    model = build({"model": model_name, "shape": list(data.shape), **preset.model})
    return Training(model, data, Settings.of({**model.defaults, **preset.training, "seed": seed}))


def trained(preset: Preset, data: datasets.Data, seed: int, model_name: str) -> dict[str, float]:
    """Modes covered, the share of samples close to one, the exact distance and the seconds of one training."""
    start, cpu = time.perf_counter(), time.process_time()
    training = training_of(preset, data, seed, model_name)
    for _ in fit(training):
        pass
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    model = training.model
    model.load_state_dict(training.weights())
    x = model.eval().sample(SAMPLES, rng=random.generator(1))
    found = reached(data, x)
    assert found is not None
    w1 = wasserstein1(x[:POINTS], data.test.x[:POINTS])
    names = {"covered": found.covered, "of": found.of, "close": found.close, "w1": w1}
    return names | {"seconds": seconds, "cpu": cpu}


def converged(preset: Preset, data: datasets.Data, seed: int) -> Coverage:
    """The estimate of a critic trained to the end against a frozen generator, and the exact distance."""
    training = training_of(preset, data, seed)
    for step in fit(training):
        if step.step >= FROZEN * step.total:
            break
    model = training.model
    assert isinstance(model, WGAN)
    after = Training(model, data, Settings(steps=TURNS, batch_size=512, lr=1e-3, decay="cosine", ema=0.99, seed=seed))
    after.turns = ("critic",)
    for _ in fit(after):
        pass
    model.load_state_dict(after.weights())
    return coverage(model.eval(), data, POINTS)


def main() -> int:
    """Print a line a seed; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)  # as a worker has
    broken = []
    for name, preset in chosen():
        data = datasets.load(preset.data)
        print(f"{name}, {preset.title} ({preset.data}); W₁ of data to data {w1_floor(data, POINTS, draws=2)[0]:.3f}")
        for seed in range(options.seeds):
            it = trained(preset, data, seed, name)
            off, says = 0.0, ""
            if name == "wgan":
                there = converged(preset, data, seed)
                off = there.flow / there.w1 - 1
                says = (
                    f"; a converged critic says {there.estimate:.3f}, less 2λP {there.flow:.3f}, of {there.w1:.3f} "
                    f"({off:+.1%})"
                )
            print(
                f"  seed {seed}: {it['covered']} of {it['of']} modes, {it['close']:.1%} within 3σ, W₁ {it['w1']:.3f}, "
                f"{it['seconds']:.0f} s ({it['cpu']:.0f} s of processor){says}",
                flush=True,
            )
            if it["covered"] < it["of"] or it["close"] < CLOSE or it["cpu"] > SECONDS[name] or abs(off) > OFF:
                broken.append(f"{preset.title}, seed {seed}")
    print("\n".join(f"broken: {one}" for one in broken) or "all promises hold")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
