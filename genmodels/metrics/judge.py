"""Judges: small classifiers whose features and class probabilities stand in for Inception's on small grey images.

The FID of the literature is taken in the features of a network trained on photographs (Heusel et al. 2017), which says
little about digits and weighs 90 MB. The judges here are convolutional networks of 0.4 million weights or fewer that
were trained on the data set itself: ``fid`` and ``kid`` below are distances in *their* penultimate layer, and the
``score`` is that of *their* classes. None of these numbers can be compared with those of papers; all can be compared
with the floor that real data give against other real data (:func:`quality_floor`), and with each other.

A judge ships as ``checkpoints/features-<data>/`` (half precision). To train one anew::

    python -m genmodels.metrics.judge mnist --epochs 6 --seed 0
"""

import argparse
import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from genmodels import random
from genmodels.data.datasets import DATASETS, Data, load
from genmodels.errors import BadInput
from genmodels.files import CHECKPOINTS, read_json, write, write_json
from genmodels.metrics import floors
from genmodels.metrics.distances import frechet_distance, inception_score, kid, manifolds
from genmodels.text import quoted

__all__ = ["Judge", "Quality", "Seen", "judge", "judges", "quality", "quality_floor"]

AT_ONCE = 500  # pictures in one pass


@dataclass(frozen=True)
class Seen:
    """N pictures as a judge sees them: ``features`` (N, D) and ``probabilities`` of the classes (N, K).

    The features are scaled so that the variances of the training set's add up to 100: a Fréchet distance of 1 is one
    per cent of the data's own spread.
    """

    features: Tensor
    probabilities: Tensor


class Judge(nn.Module):
    """A classifier of images: two convolutions, each with normalization and pooling, and one hidden layer.

    Args:
        shape: Of an image, (C, H, W).
        classes: How many there are.
        channels: Of the second convolution; the first has half as many.
        width: Units of the hidden layer: the dimension D of the features.
        name: The data that it was trained on.
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int, *, channels: int, width: int, name: str = "") -> None:
        super().__init__()
        self.shape, self.name = tuple(shape), name
        half, (c, h, w) = channels // 2, self.shape
        self.body = nn.Sequential(
            *(nn.Conv2d(c, half, 3, padding=1), nn.BatchNorm2d(half), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(half, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(channels * (h // 4) * (w // 4), width), nn.ReLU()),
        )
        self.head = nn.Linear(width, classes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, shape (N, K), of images in [0, 1]."""
        return self.head(F.dropout(self.body(x), 0.5, self.training))

    @torch.no_grad()
    def see(self, x: Tensor) -> Seen:
        """Features and class probabilities of images (N, C, H, W) in [0, 1].

        Raises:
            BadInput: If the images have another shape.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise BadInput(f"This judge sees images {self.shape}, not {tuple(x.shape[1:])}.")
        device = self.head.weight.device
        parts = [self.body(some.to(device).float()) for some in x.split(AT_ONCE)]
        hidden = torch.cat(parts) if parts else torch.zeros(0, self.head.in_features, device=device)
        return Seen(self.scale * hidden, self.head(hidden).softmax(1))


@functools.lru_cache(maxsize=8)
def judge(name: str, *, device: str = "cpu", root: Path | None = None) -> Judge:
    """The judge that was trained on the data set ``name``, read when it is first asked for.

    Raises:
        BadInput: If there is none, or its files are not what they should be.
    """
    folder = (root or CHECKPOINTS) / f"features-{name}"
    if not (folder / "config.json").exists():
        raise BadInput(
            f"There is no judge for {quoted(name)} in {folder.parent}: "
            f"`python -m genmodels.metrics.judge` can train one for any data set of images."
        )
    config = read_json(folder / "config.json")
    try:
        one = Judge(config["shape"], config["classes"], channels=config["channels"], width=config["width"], name=name)
        one.load_state_dict(load_file(folder / "model.safetensors"))  # half precision, read into single
    except (KeyError, TypeError, RuntimeError, OSError, SafetensorError):
        raise BadInput(f"The judge in {folder} is damaged.") from None
    return one.to(device).eval()


def judges() -> tuple[str, ...]:
    """The names of the data sets that have a judge here."""
    return tuple(sorted(path.name.removeprefix("features-") for path in CHECKPOINTS.glob("features-*")))


# What a judge says ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quality:
    """Samples against real data in a judge's eyes: all but ``score``, ``confidence`` in its features.

    Attributes:
        fid: Fréchet distance; 0 at best, in practice the floor of real against real.
        kid: Kernel distance, unbiased: about 0 at best.
        kid_se: Its standard error, from blocks.
        precision: Share of the samples on the data's manifold.
        recall: Share of the data on the samples' manifold.
        score: The Inception Score's formula: 1 to the number of classes.
        confidence: Share of the samples that the judge puts in one class with p > 0.95.
        rarest: Share of the samples in the class that the judge sees least often.
        commonest: Share of those in the class that it sees most often.
        density: How many balls around the data a sample lies in, over the number of neighbours: 1 for data.
        coverage: Share of the balls around the data that a sample lies in.
    """

    fid: float
    kid: float
    kid_se: float
    precision: float
    recall: float
    score: float
    confidence: float
    rarest: float
    commonest: float
    density: float
    coverage: float


def quality(real: Seen, fake: Seen, *, rng: torch.Generator | None = None) -> Quality:
    """How samples compare with real data in the same judge's eyes. FID and recall depend on how many there are of each.

    Raises:
        BadInput: If one of the sets holds fewer than six pictures.
    """
    kernel = kid(real.features, fake.features, rng=rng)
    (precision, recall), (density, coverage) = manifolds(real.features, fake.features)
    best, seen = fake.probabilities.max(1)
    share = torch.bincount(seen, minlength=fake.probabilities.shape[1]).double() / len(seen)
    return Quality(
        frechet_distance(real.features, fake.features),
        kernel.mean,
        kernel.se,
        precision,
        recall,
        inception_score(fake.probabilities),
        (best > 0.95).double().mean().item(),
        share.min().item(),
        share.max().item(),
        density,
        coverage,
    )


def quality_floor(data: Data, n: int = 1000, *, seed: int = 0, root: Path | None = None) -> dict[str, float]:
    """The quality of real data against other real data: ``n`` of the test set, sets of ``n`` of the training set.

    Returns:
        Each number of :class:`Quality`, its mean over random sets, and under its name with ``_se`` the standard error
        of that mean.
    """
    one, n = judge(data.name, root=root), min(n, floors.most(data))
    seen = [
        one.see(data.prepare(part.x, "unit"))
        for part in (floors.chosen(data.test, n, seed), *floors.draws(data, n, seed))
    ]
    return floors.averaged(asdict(quality(seen[0], same, rng=random.generator(seed))) for same in seen[1:])


# Training one ---------------------------------------------------------------------------------------------------------


@torch.random.fork_rng(devices=[])
def train(data: Data, *, epochs: int, seed: int, channels: int, width: int) -> Judge:
    """A judge trained on ``data``: Adam with one cycle of the learning rate, pictures moved by up to a pixel or two."""
    torch.manual_seed(seed)  # of the weights and of dropout; the stream outside goes on as if nothing had been drawn
    rng = random.generator(seed)
    one = Judge(data.shape, len(data.classes), channels=channels, width=width, name=data.name)
    optimizer = torch.optim.Adam(one.parameters(), lr=1e-3, fused=True)
    x, y = data.prepare(data.train.x, "unit"), data.train.y
    batch, reach = min(128, max(1, len(x) // 45)), max(1, data.shape[-1] // 14)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs * (len(x) // batch))
    for _ in range(epochs):
        for index in random.rand(len(x), rng=rng).argsort().split(batch)[: len(x) // batch]:
            shift = random.randint(-reach, reach + 1, 2, rng=rng).tolist()
            loss = F.cross_entropy(one(_moved(x[index], shift, reach)), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
    one.eval()
    one.scale /= one.see(x).features.var(0).sum().sqrt() / 10
    return one


def _moved(x: Tensor, shift: list[int], reach: int) -> Tensor:
    """The pictures moved by ``shift`` pixels, black where they came from."""
    height, width = x.shape[-2:]
    i, j = (reach + s for s in shift)
    return F.pad(x, [reach] * 4)[..., i : i + height, j : j + width]


def accuracy(one: Judge, data: Data) -> float:
    """The share of the test set that the judge classifies correctly."""
    said = one.see(data.prepare(data.test.x, "unit")).probabilities.argmax(1)
    return (said == data.test.y).double().mean().item()


def store(one: Judge, folder: Path, facts: Mapping[str, Any]) -> Judge:
    """Write the judge into ``folder`` in half precision, ``facts`` in its config.json; return it as it reads back."""
    half = {k: v.half() if v.is_floating_point() else v for k, v in one.state_dict().items()}
    write(folder / "model.safetensors", save(half))
    channels, width = one.body[4].out_channels, one.head.in_features
    config = {"shape": list(one.shape), "classes": one.head.out_features, "channels": channels, "width": width}
    write_json(folder / "config.json", config | dict(facts))
    judge.cache_clear()
    return judge(one.name, root=folder.parent)


def main() -> None:
    """Train a judge, measure it as it ships, and store it."""
    parser = argparse.ArgumentParser(prog="python -m genmodels.metrics.judge", description=main.__doc__)
    parser.add_argument("data", choices=[name for name, info in DATASETS.items() if info.kind == "images"])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, help="the folder that receives features-<data>/")
    asked = parser.parse_args()
    if min(asked.epochs, asked.channels // 2, asked.width) < 1:
        parser.error("epochs, channels / 2 and width are 1 or more.")
    try:
        data = load(asked.data)
    except BadInput as error:
        parser.error(str(error))
    one = train(data, epochs=asked.epochs, seed=asked.seed, channels=asked.channels, width=asked.width)
    command = (
        f"python -m genmodels.metrics.judge {asked.data} --epochs {asked.epochs} --seed {asked.seed} "
        f"--channels {asked.channels} --width {asked.width}"
    )
    facts = {"data": asked.data, "command": command, "seed": asked.seed}
    one = store(one, asked.root / f"features-{asked.data}", facts)
    n = min(10_000, len(data.test))
    facts |= {"test_accuracy": accuracy(one, data), "floor_n": n, "floor": quality_floor(data, n, root=asked.root)}
    store(one, asked.root / f"features-{asked.data}", facts)
    print(f"{asked.data}: test accuracy {facts['test_accuracy']:.4f}, real against real {facts['floor']}")


if __name__ == "__main__":
    main()
