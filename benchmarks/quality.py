"""Processor seconds until samples of MNIST are good, ours beside a plain loop of the same network, as JSON.

``python -m benchmarks.quality --seconds 600 wgan/mnist-gradient-penalty-convolutions gan/mnist`` trains each of these
presets for about so long, its learning rate falling to 0 at the end, and draws 2,000 samples at eight moments: FID in
the features of the classifier that ships, against as many test digits. Data score above 0 themselves: the floor.

The plain loop takes the same steps, in its own time: the same model, losses, batches, learning rates and average of the
weights, as a tutorial writes them, torch's DataLoader with ToTensor, its own Adam or RMSProp, float32. The two take
turns, so that what disturbs one disturbs both.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.vae import mnist
from genmodels import random
from genmodels.cli.commands import slug
from genmodels.data import datasets
from genmodels.metrics import floors
from genmodels.metrics.distances import frechet_distance
from genmodels.metrics.judge import Judge, judge
from genmodels.models import model_class
from genmodels.models.base import GenerativeModel, Preset, build, only
from genmodels.training.average import average_
from genmodels.training.loop import Training
from genmodels.training.settings import Settings, schedule

LOOKS = 8
SLICE = 1.0  # seconds of processor time of a turn
WARM = 10  # steps whose pace says how many there is time for
TIMES_FLOOR = (3.0, 1.5)


class Ours:
    """Our loop, as every run uses it."""

    name = "genmodels"

    def __init__(self, model: GenerativeModel, data: datasets.Data, settings: Settings) -> None:
        self.training = Training(model, data, settings)

    def step(self) -> None:
        """Take one training step."""
        self.training.step()

    def weights(self) -> dict[str, Tensor]:
        """The weights that samples are drawn with."""
        return self.training.weights()


class Plain:
    """The recipe of a run, as a tutorial writes the loop."""

    name = "plain loop"

    def __init__(self, model: GenerativeModel, data: datasets.Data, settings: Settings) -> None:
        self.model, self.settings, self.at = model.to(memory_format=torch.contiguous_format).train(), settings, 0
        self.optimizers = {player: self._optimizer(player) for player in model.players()}
        signed = model.inputs == "signed"
        images = mnist(lambda x: 2 * x - 1 if signed else x)
        self.loader = torch.utils.data.DataLoader(images, settings.batch_size, shuffle=True, drop_last=True)
        self.batches = self._batches()
        self.ema = copy.deepcopy(model.state_dict()) if settings.ema else None

    def _optimizer(self, player: str) -> torch.optim.Optimizer:
        """As the model asks for it, but torch's own loop over the weights."""
        optimizer = self.model.optimizer(player, self.settings.lr)
        for group in optimizer.param_groups:
            group["fused"] = group["foreach"] = None
        return optimizer

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def step(self) -> None:
        """Take one training step."""
        torch.set_flush_denormal(False)
        self.model.progress(self.at / self.settings.steps)
        for player in self.model.turns():
            x, y = next(self.batches)
            optimizer = self.optimizers[player]
            for group in optimizer.param_groups:
                factor = schedule(self.settings, self.at, self.settings.steps, steady=group.get("steady", False))
                group["lr"] = self.settings.lr * factor * group.get("scale", 1.0)
            with only(self.model, player):
                loss = self.model.loss(x, y, player=player)["loss"]
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            self.model.after_turn(player)
        self.at += 1
        if self.ema is not None:
            average_(self.ema, self.model, self.settings.ema, self.at)

    def weights(self) -> dict[str, Tensor]:
        """The weights that samples are drawn with."""
        return self.ema or self.model.state_dict()


def chosen(name: str) -> tuple[str, Preset]:
    """The preset "model/title", the title as the command line has it."""
    model, _, title = name.partition("/")
    of_model = {slug(preset.title): preset for preset in model_class(model).presets if preset.data == "mnist"}
    if title not in of_model:
        raise SystemExit(f"{model} has no preset {title!r} of MNIST: it may be {', '.join(of_model)}.")
    return model, of_model[title]


def settings_of(model: GenerativeModel, preset: Preset, **others: Any) -> Settings:
    """The preset's settings, and others."""
    return Settings.of(model.defaults | preset.training | others)


def steps_in(seconds: float, name: str, preset: Preset, data: datasets.Data) -> int:
    """How many steps of our loop fit into so many seconds of processor time."""
    model = build({"model": name, "shape": list(data.shape), **preset.model})
    training = Training(model, data, settings_of(model, preset, steps=10**7))
    for _ in range(5):
        training.step()
    start = time.process_time()
    for _ in range(WARM):
        training.step()
    return max(LOOKS, int(seconds / ((time.process_time() - start) / WARM)))


class Eye:
    """The classifier, and what it sees in test digits and in others."""

    def __init__(self, data: datasets.Data, n: int) -> None:
        self.judge: Judge = judge("mnist")
        seen = lambda split: self.judge.see(data.prepare(split.x, "unit")).features  # noqa: E731
        self.n, self.real = n, seen(floors.chosen(data.test, n, 0))
        distances = [frechet_distance(self.real, seen(split)) for split in floors.draws(data, n, 0)]
        self.floor = sum(distances) / len(distances)

    @torch.no_grad()
    def look(self, model: GenerativeModel, weights: dict[str, Tensor]) -> dict[str, float]:
        """FID of samples drawn with these weights, and the share of which the classifier is sure."""
        shown = build({"model": model.name, **model.config}).eval()
        shown.load_state_dict(weights)
        shown.label_shares = model.label_shares
        rng = random.generator(0)
        x = torch.cat([shown.sample(min(500, self.n - i), rng=rng) for i in range(0, self.n, 500)])
        seen = self.judge.see(x)
        sure, label = seen.probabilities.max(1)
        shares = torch.bincount(label, minlength=10) / self.n
        return {
            "fid": frechet_distance(self.real, seen.features),
            "sure": (sure > 0.95).double().mean().item(),
            "rarest": shares.min().item(),
            "commonest": shares.max().item(),
        }


def curves(name: str, preset: Preset, seconds: float, eye: Eye, data: datasets.Data, *, plain: bool) -> dict[str, Any]:
    """FID over processor seconds of our loop and of the plain one, by their names."""
    torch.manual_seed(0)
    first = build({"model": name, "shape": list(data.shape), **preset.model})
    settings = settings_of(first, preset, steps=steps_in(seconds, name, preset, data), epochs=20.0)
    loops = [kind(copy.deepcopy(first), data, settings) for kind in ((Ours, Plain) if plain else (Ours,))]
    marks = [max(1, round(settings.steps * 2 ** ((i - LOOKS + 1) / 2))) for i in range(LOOKS)]
    spent, taken = [0.0] * len(loops), [0] * len(loops)
    found: dict[str, list[dict[str, float]]] = {loop.name: [] for loop in loops}
    while any(len(points) < LOOKS for points in found.values()):
        for i, loop in enumerate(loops):
            points = found[loop.name]
            if len(points) == LOOKS:
                continue
            start = time.process_time()
            while time.process_time() - start < SLICE and taken[i] < marks[len(points)]:
                loop.step()
                taken[i] += 1
            spent[i] += time.process_time() - start
            if taken[i] == marks[len(points)]:
                points.append({"seconds": round(spent[i], 1), "steps": taken[i], **eye.look(first, loop.weights())})
                print(f"{name}, {loop.name}: {points[-1]}", file=sys.stderr, flush=True)
    return found


def reached(points: list[dict[str, float]], fid: float) -> float | None:
    """After how many seconds the samples are as near as ``fid``; None where they never are."""
    return next((point["seconds"] for point in points if point["fid"] <= fid), None)


def main() -> int:
    """Print the curves, and when each reaches the multiples of the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=["gan/mnist"], help="model/preset, as the command line has it")
    parser.add_argument("--seconds", type=float, default=120.0, help="of processor time, of our loop")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--alone", action="store_true", help="without the plain loop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("mnist")
    eye = Eye(data, options.samples)
    table: dict[str, Any] = {"samples": options.samples, "floor": eye.floor, "presets": {}}
    for one in options.presets:
        found = curves(*chosen(one), options.seconds, eye, data, plain=not options.alone)
        times = {
            name: {f"{k:g} x floor": reached(points, k * eye.floor) for k in TIMES_FLOOR}
            for name, points in found.items()
        }
        table["presets"][one] = {"curves": found, "seconds until": times}
    print(json.dumps(table, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
