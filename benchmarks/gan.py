"""GAN and WGAN-GP on MNIST against plain loops, and the pace of the plane: ``python -m benchmarks.gan``."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.side_by_side import chosen, flops, fraction, peaks, side_by_side, spared, table
from benchmarks.vae import mnist
from genmodels.data import datasets
from genmodels.models.base import build
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN
from genmodels.nn.precision import gain, layer
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run, create
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

WGAN_GP: dict[str, Any] = {"network": "conv", "hidden": 32, "latent_dim": 32, "n_critic": 1}
SOURCES_MLP: dict[str, Any] = {"network": "mlp", "latent_dim": 100}
BOUNDS = {"WGAN-GP, convolutions": (2.0, 2.4), "GAN, the report's perceptrons": (2.0, 2.5)}
"""Times as fast as a plain loop, and where bfloat16 is faster by MUCH. In float32 alone both are known to fail."""
MUCH = 1.8
Loop = Callable[[], Iterator[int]]
PACE, POLLS = 150.0, 2.0  # generator steps a second; looks a second


def ours(model: str, arguments: dict[str, Any], batch: int, device: str, **settings: Any) -> Iterator[int]:
    """Our loop, as every run uses it."""
    data = datasets.load("mnist")
    torch.manual_seed(0)
    built = build({"model": model, "shape": list(data.shape), **arguments})
    chosen = Settings.of(built.defaults | {"steps": 1_000_000, "batch_size": batch} | settings)
    training = Training(built, data, chosen, device=device)
    while True:
        training.step()
        yield batch * len(training.turns)


def loader(batch: int) -> Iterator[torch.Tensor]:
    """Batches of real pictures in [−1, 1], as the tutorials have them."""
    images = torch.utils.data.DataLoader(mnist(lambda x: 2 * x - 1), batch_size=batch, shuffle=True, drop_last=True)
    while True:
        for x, _ in images:
            yield x


def adams(a: nn.Module, b: nn.Module, betas: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    """Adam for each player, as torch makes it by default."""
    first, second = (torch.optim.Adam(network.parameters(), lr=5e-4, betas=betas) for network in (a, b))
    return first, second


def plain_wgan(batch: int, device: str) -> Iterator[int]:
    """Algorithm 1 of Gulrajani et al. (2017) as a tutorial writes it, float32."""
    model = WGAN((1, 28, 28), **WGAN_GP).to(device).to(memory_format=torch.contiguous_format)  # torch's own
    critic, generator = model.critic, model.generator
    of_critic, of_generator = adams(critic, generator, (0.0, 0.9))
    real, n_critic = loader(batch), WGAN_GP["n_critic"]
    while True:
        for _ in range(n_critic):
            x = next(real).to(device)
            fake = generator(torch.randn(batch, WGAN_GP["latent_dim"], device=device))
            u = torch.rand(batch, 1, 1, 1, device=device)
            between = (u * x + (1 - u) * fake).detach().requires_grad_()
            scores = critic(between)
            slope = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)[0]
            penalty = (slope.flatten(1).norm(2, dim=1) - 1).square().mean()
            of_critic.zero_grad()
            (critic(fake).mean() - critic(x).mean() + 10 * penalty).backward()
            of_critic.step()
        of_generator.zero_grad()
        (-critic(generator(torch.randn(batch, WGAN_GP["latent_dim"], device=device))).mean()).backward()
        of_generator.step()
        yield batch * (n_critic + 1)


def plain_gan(batch: int, device: str) -> Iterator[int]:
    """The two losses as a tutorial writes them, float32."""
    model = GAN((1, 28, 28), **SOURCES_MLP).to(device)
    discriminator, generator = model.discriminator, model.generator
    of_discriminator, of_generator = adams(discriminator, generator, (0.5, 0.999))
    real, ones, zeros = loader(batch), torch.ones(batch, device=device), torch.zeros(batch, device=device)
    loss = F.binary_cross_entropy_with_logits
    while True:
        x = next(real).to(device)
        fake = generator(torch.randn(batch, SOURCES_MLP["latent_dim"], device=device))
        of_discriminator.zero_grad()
        (loss(discriminator(x), ones) + loss(discriminator(fake.detach()), zeros)).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        loss(discriminator(generator(torch.randn(batch, SOURCES_MLP["latent_dim"], device=device))), ones).backward()
        of_generator.step()
        yield 2 * batch


def pace(seconds: float) -> float:
    """Generator steps a second of processor time on the plane, recorded as a run is, with a reader at 2 Hz."""
    preset = GAN.presets[0]
    with tempfile.TemporaryDirectory() as folder:
        settings = preset.training | {"steps": 1_000_000}
        run = create("gan", preset.data, arguments=preset.model, settings=settings, folder=Path(folder) / "run")
        recording, done, look = Recording(run), 0, time.perf_counter()
        steps = recording.steps()
        for _ in range(100):
            next(steps)
        start, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds:
            next(steps)
            done += 1
            if time.perf_counter() - look > 1 / POLLS:
                read(run)
                look = time.perf_counter()
        cpu = time.process_time() - cpu
        recording.close()
    return done / cpu


def read(run: Run) -> None:
    """Read of a run what a page reads at every look."""
    run.state()
    run.metrics()
    run.samples()
    run.snapshots()


def bounded(
    name: str, model: nn.Module, plain: Loop, fast: Loop, rounds: int, per_step: int, device: str = "cpu"
) -> list[str]:
    """Run both loops, print their table, and say what is not as fast as it should be."""
    print(f"\n{name}")
    dtype, kind = chosen(model, device), layer(model)
    assert kind is not None
    much = dtype == "bfloat16" and device == "cpu" and gain(kind) >= MUCH
    least = BOUNDS[name][much]
    found = side_by_side({"DataLoader + Adam, float32": plain, "genmodels": fast}, rounds=rounds, slice_s=1.0)
    slow, quick = found.values()
    steps = fast()
    work = flops(lambda: next(steps)) / per_step
    print(f"{table(found, slow.name)}\n{fraction(quick, work, peaks(device)[dtype])}")
    print(f"generator steps a second: {quick.rate / per_step:.1f}", flush=True)
    failed = spared(lambda: next(steps)) if dtype == "float32" and device == "cpu" else []
    if quick.over(slow) < least:
        failed.append(f"{name}: only {quick.over(slow):.2f} × the plain loop, not {least} ×")
    return failed


def main() -> int:
    """Print the tables; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = options.device
    compiled = {"compile": True} if device != "cpu" else {}
    failed = bounded(
        "WGAN-GP, convolutions",
        WGAN((1, 28, 28), **WGAN_GP),
        lambda: plain_wgan(64, device),
        lambda: ours("wgan", WGAN_GP, 64, device, **compiled),
        options.rounds,
        64 * (WGAN_GP["n_critic"] + 1),
        device,
    )
    failed += bounded(
        "GAN, the report's perceptrons",
        GAN((1, 28, 28), **SOURCES_MLP),
        lambda: plain_gan(128, device),
        lambda: ours("gan", SOURCES_MLP, 128, device, **compiled),
        options.rounds,
        128 * 2,
        device,
    )
    steps = pace(6.0)
    print(f"\nplane, non-saturating, a reader at {POLLS:.0f} Hz: {steps:.0f} generator steps a second")
    if steps < PACE:
        failed.append(f"only {steps:.0f} generator steps a second on the plane, not {PACE:.0f}")
    print("\n".join(failed) or "all bounds hold")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
