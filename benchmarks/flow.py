"""Training a RealNVP and a spline flow against zuko's and nflows' of the same size: ``python -m benchmarks.flow``."""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.side_by_side import side_by_side, table
from genmodels.data import datasets
from genmodels.flows.images import Logit
from genmodels.host import allocator
from genmodels.models.flow import Flow
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

REALNVP = {"couplings": 20, "hidden": 256, "depth": 1, "mask": "checkerboard"}  # of the report on priors
SPLINES = {"coupling": "spline", "couplings": 6, "hidden": 64, "depth": 2, "bins": 16}
BOUNDS = {"RealNVP, zuko": 2.0, "RealNVP, nflows": 2.0, "splines, zuko": 2.0, "splines, nflows": 2.0}


def ours(name: str, arguments: dict[str, Any], batch: int) -> Iterator[int]:
    """Our loop, as every run uses it."""
    torch.manual_seed(0)
    data = datasets.load(name)
    settings = {"epochs": 10_000, "batch_size": batch}
    training = Training(Flow(data.shape, **arguments), data, Settings.of(settings))
    while True:
        training.step()
        yield training.batches.size


def theirs(
    name: str, log_prob: Callable[[], tuple[nn.Module, Callable[[Tensor], Tensor]]], batch: int
) -> Iterator[int]:
    """The loop of their tutorials: a DataLoader and Adam; images with uniform noise, and the same logit."""
    torch.manual_seed(0)
    data = datasets.load(name)
    model, density = log_prob()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    logit = Logit()
    kept = torch.utils.data.TensorDataset(data.train.x)
    while True:
        for (x,) in torch.utils.data.DataLoader(kept, batch_size=batch, shuffle=True, drop_last=True):
            ladj: Tensor | float = 0.0
            if data.levels:
                x, ladj = logit((x.flatten(1) + torch.rand(len(x), 784)) / data.levels)
            loss = -(density(x) + ladj).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(x)


def zukos(features: int, *, splines: bool) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """zuko's coupling flow; alternate numbers are moved."""
    import zuko

    if splines:
        shapes = [(16,), (16,), (15,)]
        how = {"univariate": zuko.transforms.MonotonicRQSTransform, "shapes": shapes}
        flow = zuko.flows.NICE(features, transforms=6, hidden_features=(64, 64), **how)
    else:
        flow = zuko.flows.RealNVP(features, transforms=20, hidden_features=(256,))
    return flow, lambda x: flow().log_prob(x)


def nflowss(features: int, *, splines: bool) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """nflows' coupling flow with the same networks."""
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow as TheirFlow
    from nflows.nn.nets import MLP
    from nflows.transforms import (
        AffineCouplingTransform,
        CompositeTransform,
        PiecewiseRationalQuadraticCouplingTransform,
    )

    class Net(MLP):  # a coupling hands on a context, which this network does not take
        def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
            return super().forward(inputs)

    hidden = [64, 64] if splines else [256]
    kind = PiecewiseRationalQuadraticCouplingTransform if splines else AffineCouplingTransform
    how = {"num_bins": 16, "tails": "linear", "tail_bound": 4.0} if splines else {}
    net = lambda i, o: Net([i], [o], hidden)  # noqa: E731
    masks = [(torch.arange(features) + k) % 2 for k in range(6 if splines else 20)]
    flow = TheirFlow(CompositeTransform([kind(mask, net, **how) for mask in masks]), StandardNormal([features]))
    return flow, flow.log_prob


def main() -> int:
    """Print the tables; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    failed = []
    for title, data, arguments, features, batch in (
        ("RealNVP", "mnist", REALNVP, 784, 128),
        ("splines", "two-moons", SPLINES, 2, 512),
    ):
        splines = title == "splines"
        peers = {
            "zuko": partial(zukos, features, splines=splines),
            "nflows": partial(nflowss, features, splines=splines),
        }
        candidates: dict[str, Callable[[], Iterator[int]]] = {
            f"{title}, {name}": partial(theirs, data, made, batch) for name, made in peers.items()
        }
        candidates[f"{title}, genmodels"] = partial(ours, data, arguments, batch)
        results = side_by_side(candidates, rounds=options.rounds)
        print(table(results, f"{title}, zuko"))
        own = results[f"{title}, genmodels"]
        for name, result in results.items():
            if name in BOUNDS and own.over(result) < BOUNDS[name]:
                failed.append(f"only {own.over(result):.2f} × {name}, not {BOUNDS[name]} ×")
    print("\n".join(failed) or "all bounds hold")
    return bool(failed)


if __name__ == "__main__":
    allocator.restart()
    sys.exit(main())
