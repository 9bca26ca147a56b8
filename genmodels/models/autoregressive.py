r"""The autoregressive model: one dimension after another, each drawn from a law that a network says from those before.

.. math:: p(x) = \prod_{i=1}^{D} p(x_i \mid x_1, \ldots, x_{i-1})

This is no approximation: any density can be written so, in any order. So log p(x) is exact, and maximized as it is. Of
images x_i is a pixel, of the plane the first coordinate and then the second, a mixture of Gaussians each.

NADE: Larochelle & Murray (2011), https://proceedings.mlr.press/v15/larochelle11a.html. MADE: Germain et al. (2015),
https://arxiv.org/abs/1502.03509. Gated PixelCNN: van den Oord et al. (2016), https://arxiv.org/abs/1606.05328.
Mixtures of logistics: Salimans et al. (2017), https://arxiv.org/abs/1701.05517.

Networks (:mod:`genmodels.nn.autoregressive`, :mod:`genmodels.nn.pixelcnn`) and the laws of one dimension
(:mod:`genmodels.probability.conditionals`) know nothing of each other; here they meet.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Where, check
from genmodels.models.base import GenerativeModel, Preset
from genmodels.nn.autoregressive import MADE, NADE
from genmodels.nn.pixelcnn import PixelCNN
from genmodels.probability.conditionals import Bernoulli, Categorical, Gaussians, Law, Logistics

__all__ = ["ORDERS", "Autoregressive", "Drawn"]

ORDERS = ("raster", "reversed", "columns", "random")
OF_MADE = Where(lambda network: network == "made")
OF_PIXELCNN = Where(lambda network, kind: network == "pixelcnn" and kind == "images")
GREY = Where(lambda pixels, kind: pixels != "bernoulli" and kind == "images")
MIXED = Where(lambda pixels, kind: pixels == "logistics" or kind == "plane")
PLANE = {"hidden": 128, "components": 16, "order": "random", "orders": 2}  # x₁ first, and x₂ first
QUICK = {"steps": 2500, "batch_size": 512, "lr": 3e-3}


@dataclass(frozen=True)
class Drawn:
    r"""A moment of sampling: the first ``t`` dimensions are there.

    Attributes:
        t: 0 … D.
        x: The samples so far, (n, \*shape), 0 where nothing is drawn yet. It goes on to change: copy what is kept.
        log_prob: log p of what is there, in nats, (n,).
    """

    t: int
    x: Tensor
    log_prob: Tensor


class Autoregressive(GenerativeModel):
    """An order, a network that sees what comes before, and the law of one dimension."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("Plane: two moons, in both orders", "two-moons", PLANE, QUICK),
        Preset("Plane: swiss roll, in both orders", "swiss-roll", PLANE, QUICK),
        Preset("Plane: eight Gaussians, in both orders", "eight-gaussians", PLANE, QUICK),
        Preset("Plane: pinwheel, in both orders", "pinwheel", PLANE, QUICK | {"lr": 1e-2}),
        Preset("Small digits, PixelCNN", "digits-dynamic", {"network": "pixelcnn"}, {"steps": 1500, "lr": 4e-3}),
        Preset(
            "Small digits, PixelCNN class-conditional",
            "digits-dynamic",
            {"network": "pixelcnn", "classes": 10},
            {"steps": 1500, "lr": 4e-3},
        ),
        Preset("MNIST, MADE", "mnist-dynamic", {"hidden": 2000, "depth": 1}, {"epochs": 60}),
        Preset("MNIST, NADE", "mnist-dynamic", {"network": "nade", "hidden": 500}, {"epochs": 30}),
        Preset(
            "MNIST, PixelCNN",
            "mnist-dynamic",
            {"network": "pixelcnn", "channels": 32, "depth": 8, "reach": 2},
            {"epochs": 12, "batch_size": 64, "lr": 2e-3},
        ),
        Preset(
            "MNIST, PixelCNN class-conditional",
            "mnist-dynamic",
            {"network": "pixelcnn", "channels": 32, "depth": 8, "reach": 2, "classes": 10},
            {"epochs": 12, "batch_size": 64, "lr": 2e-3},
        ),
    )
    defaults: ClassVar[dict[str, Any]] = {"ema": 0.999, "decay": "cosine", "warmup": 100}

    orders: Tensor
    turn: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        network: Annotated[str, Only(("made", "nade", "pixelcnn"), "what sees the dimensions before")] = "made",
        pixels: Annotated[
            str,
            Only(("bernoulli", "categorical", "logistics"), "black or white; grey levels, one by one or mixed"),
            IMAGES,
        ] = "bernoulli",
        levels: Annotated[int, Between(2, 256, "grey levels of a pixel, those of the data"), GREY] = 256,
        components: Annotated[int, Between(1, 64, "of the mixture that is the law of one dimension"), MIXED] = 10,
        order: Annotated[str, Only(ORDERS, "in which the dimensions come; columns: from the left")] = "raster",
        orders: Annotated[
            int,
            Between(1, 32, "masks, taken by turns; p(x) is the mean of theirs. random: each has its order"),
            OF_MADE,
        ] = 1,
        hidden: Annotated[
            int,
            Between(8, 8192, "units of a hidden layer", log=True),
            Where(lambda network: network != "pixelcnn"),
        ] = 512,
        depth: Annotated[int, Between(1, 32, "layers: hidden, or gated"), Where(lambda network: network != "nade")] = 2,
        channels: Annotated[int, Between(4, 256, "channels of each stack", log=True), OF_PIXELCNN] = 24,
        reach: Annotated[int, Between(1, 4, "pixels that a gated layer sees to each side"), OF_PIXELCNN] = 1,
        classes: Annotated[int, Between(0, 1000, "labels that can be asked for; 0: none")] = 0,
    ) -> None:
        super().__init__(shape)
        if network == "pixelcnn" and (not self.is_image or shape[0] != 1):
            raise BadInput(
                f"network = pixelcnn takes images of one channel, not data of shape {shape}: use made or nade."
            )
        if network == "pixelcnn" and order == "random":
            raise BadInput("order = random leaves a pixelcnn no neighbours: use raster, reversed or columns, or made.")
        if math.prod(shape) < 2:
            raise BadInput(f"A mask of shape {shape} leaves nothing: one dimension has none before it.")
        self.classes, self.masks = classes, orders if network == "made" else 1
        self.law = self._law(pixels, levels, components)
        table = torch.stack([_order(shape, order, seed) for seed in range(self.masks)])
        self.register_buffer("orders", table, persistent=False)  # (M, D)
        if self.masks > 1:
            self.register_buffer("turn", torch.zeros((), dtype=torch.int64))  # whose it is; the file keeps it
        self.network: MADE | NADE | PixelCNN
        match network:
            case "made":
                self.network = MADE(table, self.law.size, hidden=hidden, depth=depth, classes=classes)
            case "nade":
                self.network = NADE(table, self.law.size, hidden=hidden, classes=classes)
            case _:
                size = (shape[2], shape[1]) if order == "columns" else (shape[1], shape[2])
                how = {"channels": channels, "depth": depth, "reach": reach, "classes": classes}
                self.network = PixelCNN(table, size, self.law.size, **how)

    def _law(self, pixels: str, levels: int, components: int) -> Law:
        if not self.is_image:
            return Gaussians(components)
        match pixels:
            case "bernoulli":
                return Bernoulli()
            case "categorical":
                return Categorical(levels)
            case _:
                return Logistics(levels, components)

    # The model ----------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> str:
        """Black or white pixels, or grey ones in [0, 1]."""
        return "threshold" if isinstance(self.law, Bernoulli) else "unit"

    def check_levels(self, levels: int) -> None:
        """Grey levels are those of the data.

        Raises:
            BadInput: If they are others.
        """
        if self.is_image and self.inputs == "unit" and levels != self.config["levels"]:
            raise BadInput(
                f"levels = {self.config['levels']} does not suit data of {levels} grey levels: say that many."
            )

    def said(self, x: Tensor, y: Tensor | None = None, k: Tensor | int = 0) -> Tensor:
        """The parameters of p(x_i | x_<i) of every dimension under mask ``k``, (B, D, K), all at once."""
        of_mask = {"k": k} if self.masks > 1 else {}
        return self.network(x.flatten(1), self._asked(y, len(x)), **of_mask).to(x.dtype)

    def each(self, x: Tensor, y: Tensor | None = None, k: Tensor | int = 0) -> Tensor:
        r"""log p(x_i | x_<i) of every dimension in nats, (B, \*shape), under mask ``k``; its sum is log p(x)."""
        return self.law.log_prob(x.flatten(1), self.said(x, y, k)).view_as(x)

    def log_prob(self, x: Tensor, *, y: Tensor | None = None) -> Tensor:
        """log p(x) in nats, (B,), exact: of several masks, and of labels that are not given, the mixture."""
        if y is None and self.classes:
            told = torch.arange(self.classes, device=x.device).repeat_interleave(len(x)).split(len(x))
            each = torch.stack([self.log_prob(x, y=one) for one in told], 1)
            return (each + self.label_log_prob().to(x)).logsumexp(1)
        of_masks = torch.stack([self.each(x, y, k).flatten(1).sum(1) for k in range(self.masks)])
        return of_masks.logsumexp(0) - math.log(self.masks)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """−log p(x), or −log p(x | y), in nats; while it trains, under the mask whose turn it is (section 4.2)."""
        y = y if self.classes else None
        if self.training and self.masks > 1:
            nll = -self.each(x, y, self.turn % self.masks).flatten(1).sum(1)
        else:
            nll = -self.log_prob(x, y=y)
        terms = {"loss": nll.mean()}
        if self.is_image:
            terms["bpd"] = nll.mean() / (math.prod(self.shape) * math.log(2))
        return terms

    def after_turn(self, player: str) -> None:
        """The next mask's turn."""
        if self.masks > 1:
            self.turn += 1

    def _asked(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels of ``n`` examples, checked.

        Raises:
            BadInput: If there are not n of them, or the model has no such labels, or needs some.
        """
        if y is None and self.classes:
            raise BadInput(f"No labels for {n} examples: the model has classes = {self.classes}.")
        return None if y is None else self.checked_labels(y, n)

    # Sampling -----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def trajectory(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        known: Tensor | None = None,
        kept: int = 0,
        temperature: Annotated[float, Between(0.05, 5, "each law to the power 1 / T: less is surer", log=True)] = 1.0,
    ) -> Iterator[Drawn]:
        r"""One dimension after another, from none to all D.

        Args:
            n: Samples.
            y: Labels, (n,), where the model has classes; drawn where they are not given.
            rng: The source of all noise.
            known: Examples as ``inputs`` says, (n, \*shape), whose first ``kept`` dimensions are given, not drawn.
            kept: How many, less than D. All ways to go on are then as probable as given these.
            temperature: See :mod:`genmodels.probability.conditionals`.

        Raises:
            BadInput: If anything is not allowed.
        """
        check(Autoregressive.trajectory, {"temperature": temperature})
        d, kept = math.prod(self.shape), kept if known is not None else 0
        if not 0 <= kept < d:
            raise BadInput(f"A mask that keeps {kept} of {d} dimensions leaves nothing to draw: keep 0 to {d - 1}.")
        y = self._asked(self.draw_labels(n, rng) if y is None else y, n)
        x = next(self.parameters()).new_zeros(n, d)
        log_prob, which = x.new_zeros(n), self._which(n, rng, known, kept, y)
        rows = [(which == k).nonzero()[:, 0] for k in range(self.masks)]
        walks = [(at, self.network.walk(len(at), None if y is None else y[at], k)) for k, at in enumerate(rows)]
        now = [(at, walk, next(walk)) for at, walk in walks if len(at)]
        yield Drawn(0, x.view(n, *self.shape), log_prob)
        for t in range(d):
            for j, (at, walk, (i, said)) in enumerate(now):
                is_given = known is not None and t < kept
                drawn = known.flatten(1)[at, i] if is_given else self.law.draw(said, rng, temperature)  # type: ignore
                x[at, i] = drawn
                log_prob[at] += self.law.log_prob(drawn, said)
                if t < d - 1:
                    now[j] = (at, walk, walk.send(drawn))
            yield Drawn(t + 1, x.view(n, *self.shape), log_prob)

    def _which(self, n: int, rng: torch.Generator | None, known: Tensor | None, kept: int, y: Tensor | None) -> Tensor:
        """A mask for each of ``n`` samples, (n,): one as often as another, or as likely as what is known makes them."""
        if self.masks == 1:
            return torch.zeros(n, dtype=torch.int64, device=self.device)
        if known is None or not kept:
            return random.randint(0, self.masks, n, rng=rng, device=self.device)
        first = self.orders[:, :kept]
        if not all(set(row.tolist()) == set(first[0].tolist()) for row in first):
            raise BadInput("With several random orders no dimensions come first in all: set orders = 1 to fill in.")
        given = torch.stack([self.each(known, y, k).flatten(1)[:, first[0]].sum(1) for k in range(self.masks)], 1)
        return torch.multinomial(given.softmax(1), 1, generator=rng)[:, 0]

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None, **how: Any) -> Tensor:
        r"""``n`` samples in data space, (n, \*shape); ``how``: what :meth:`trajectory` declares."""
        *_, last = self.trajectory(n, y=y, rng=rng, **check(Autoregressive.trajectory, how))
        return last.x


def _order(shape: tuple[int, ...], order: str, seed: int) -> Tensor:
    """The dimensions in the order in which they come, (D,)."""
    d = math.prod(shape)
    along = torch.arange(d, device="cpu")
    match order:
        case "reversed":
            return along.flip(0)
        case "columns" if len(shape) == 3:
            return along.view(shape).transpose(1, 2).flatten()
        case "random":
            first = torch.randperm(d, generator=torch.Generator().manual_seed(seed // 2), device="cpu")
            return first.flip(0) if seed % 2 else first
        case _:
            return along
