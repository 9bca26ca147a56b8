"""A PixelCNN against a plain loop, sampling against the naive one: ``python -m benchmarks.autoregressive``.

The plain loop is the same network as a tutorial writes it, on the same drawn images: kernels of full size, masked at
every step, a DataLoader, float32.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.side_by_side import chosen, formats, side_by_side, table
from benchmarks.vae import mnist
from genmodels import random
from genmodels.data import datasets
from genmodels.host import allocator
from genmodels.models.autoregressive import Autoregressive
from genmodels.nn.pixelcnn import FIRST, gate
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

PLAIN = "DataLoader + Adam, masked kernels"
PRESET = next(
    one for one in Autoregressive.presets if one.model.get("network") == "pixelcnn" and one.data == "mnist-dynamic"
)
BATCH = 32
NETWORKS = {"pixelcnn": PRESET.model, "made": {"hidden": 2000}, "nade": {"network": "nade", "hidden": 500}}


class Masked(nn.Conv2d):
    """A convolution of full size, of whose kernel only some is used."""

    mask: Tensor

    def __init__(self, channels: tuple[int, int], reach: int, rows: int, columns: int) -> None:
        """The first ``rows`` rows of the kernel are whole; of the next one ``columns`` entries are there."""
        side = 2 * reach + 1
        super().__init__(*channels, side, padding=reach)
        mask = torch.zeros(side, side)
        mask[:rows] = 1
        mask[rows, :columns] = 1
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, C, H, W) in and out."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Row(Masked):
    """A convolution along the row: ``columns`` entries of the middle row of the kernel."""

    def __init__(self, channels: tuple[int, int], reach: int, columns: int) -> None:
        super().__init__(channels, reach, 0, 0)
        self.mask[reach, :columns] = 1


class PlainLayer(nn.Module):
    """A gated layer of both stacks, written plainly."""

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self.vertical = Masked((channels, 2 * channels), reach, reach + 1, 0)
        self.horizontal = Row((channels, 2 * channels), reach, reach + 1)
        self.link, self.out = nn.Conv2d(2 * channels, 2 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The two stacks one layer on."""
        a = self.vertical(v)
        return gate(a), h + self.out(gate(self.horizontal(h) + self.link(a)))


class PlainPixelCNN(nn.Module):
    """The PixelCNN written plainly: as many layers, channels and weights that are not masked."""

    def __init__(self, channels: int, depth: int, reach: int) -> None:
        super().__init__()
        self.above, self.left = Masked((1, channels), FIRST, FIRST, 0), Row((1, channels), FIRST, FIRST)
        self.layers = nn.ModuleList(PlainLayer(channels, reach) for _ in range(depth))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """−log p(x) of a batch of black and white images, (B, 1, H, W)."""
        v, h = self.above(2 * x - 1), self.left(2 * x - 1)
        for layer in self.layers:
            v, h = layer(v, h)
        return F.binary_cross_entropy_with_logits(self.head(h), x, reduction="sum") / len(x)


def plain(device: str) -> Iterator[int]:
    """DataLoader and Adam in float32; yields the images of each step."""
    model = PlainPixelCNN(**{name: PRESET.model[name] for name in ("channels", "depth", "reach")}).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(mnist(torch.bernoulli), batch_size=BATCH, shuffle=True, drop_last=True)
    while True:
        for x, _ in loader:
            loss = model(x.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(x)


def ours(device: str, **settings: object) -> Iterator[int]:
    """Our loop, as every run uses it, with the preset."""
    training = trained(device, **settings)
    while True:
        training.step()
        yield training.batches.size


def trained(device: str, **settings: object) -> Training:
    """A training of the preset."""
    torch.manual_seed(0)
    model = Autoregressive((1, 28, 28), **PRESET.model)
    chosen = Settings.of(model.defaults | PRESET.training | {"batch_size": BATCH, "epochs": 1000} | settings)
    return Training(model, datasets.load(PRESET.data), chosen, device=device)


def speed(rounds: int, device: str, least: float = 1.5) -> list[str]:
    """Images a second of training; what does not hold."""
    candidates: dict[str, Callable[[], Iterator[int]]] = {
        PLAIN: lambda: plain(device),
    }
    model = trained(device).model
    candidates |= {f"genmodels, {name}": partial(ours, device, precision=name) for name in formats(model, device)}
    results = side_by_side(candidates, rounds=rounds, slice_s=2.0)
    print(table(results, PLAIN))
    best = results[f"genmodels, {chosen(model, device)}"]
    ratio = best.over(results[PLAIN])
    return [f"only {ratio:.2f} × {PLAIN}, not {least} ×"] if ratio < least else []


@torch.no_grad()
def sampling(device: str, n: int = 16, least: float = 5.0) -> list[str]:
    """Processor time of ``n`` images, with what is known kept and with the whole network at every pixel."""
    failed = []
    for name, arguments in NETWORKS.items():
        torch.manual_seed(0)
        model = Autoregressive((1, 28, 28), **arguments).to(device).eval()
        start = time.process_time()
        x = model.sample(n, rng=random.generator(0, device))
        fast = time.process_time() - start
        passes, start = 8, time.process_time()
        for _ in range(passes):  # all of the 784 are alike
            model.law.draw(model.said(x)[:, 0], random.generator(0, device))
        naive = (time.process_time() - start) / passes * x[0].numel()
        print(f"{n} samples of {name:8s}: {fast:6.2f} s, the naive loop {naive:7.1f} s, {naive / fast:6.1f} × as long")
        if naive < least * fast:
            failed.append(f"sampling {name} is only {naive / fast:.1f} × as fast as the naive loop, not {least} ×")
    return failed


def main() -> int:
    """Print the tables; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = sampling(options.device) + speed(options.rounds, options.device)
    print("\n".join(failed) or "all bounds hold")
    return bool(failed)


if __name__ == "__main__":
    allocator.restart()
    sys.exit(main())
