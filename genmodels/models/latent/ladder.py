r"""The ladder VAE: several layers of latents above each other, each narrowing down what is left open above it.

.. math::
    p(x, z) = p(z_L) \prod_{l=1}^{L-1} p(z_l \mid z_{>l}) \; p(x \mid z), \qquad
    q(z \mid x) = q(z_L \mid x) \prod_{l=1}^{L-1} q(z_l \mid z_{>l}, x)

Both go down the same ladder, from z_L, so that the bound is a reconstruction less one KL a layer:

.. math::
    \mathrm{ELBO} = E_q[\log p(x \mid z)] -
    \sum_{l=1}^L E_q\, \mathrm{KL}(q(z_l \mid z_{>l}, x) \,\|\, p(z_l \mid z_{>l}))

Sønderby et al. (2016), Ladder variational autoencoders, https://arxiv.org/abs/1602.02282: there q is the product of p
with what x says. Kingma et al. (2016), Improving variational inference with inverse autoregressive flow, section 4,
https://arxiv.org/abs/1606.04934, Vahdat & Kautz (2020), NVAE, https://arxiv.org/abs/2007.03898, and Child (2021), Very
deep VAEs, https://arxiv.org/abs/2011.10650, read it from both by a network.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Where
from genmodels.models.base import Preset
from genmodels.models.latent.observation import DECODERS, Draw, Observation
from genmodels.nn.ladder import Rung
from genmodels.nn.residual import BottomUp, Head, levels
from genmodels.probability.normal import Normal

__all__ = ["Descent", "Ladder"]

ROWS = 512  # codes that are decoded at once
WIDEST = 5.0  # of log σ, either way
Choose = Callable[[int, Normal, Tensor], Tensor]
"""z of the rung i, (B, …), from p(z_i | above) and the state of the ladder there."""

TWO_MOONS = {"layers": 2, "latent_dim": 2, "latent_channels": 2}
FLAT = {"network": "mlp", "merge": "precision", "layers": 5, "latent_channels": 16, "hidden": 256, "anneal": 0.1}
DIGITS = {"epochs": 60, "batch_size": 64, "lr": 3e-3}
QUICK = {"epochs": 2, "batch_size": 128, "lr": 3e-3}
LONG = {"epochs": 100, "batch_size": 128, "lr": 2e-3, "warmup": 200}
SEVERAL = Where(lambda layers: layers > 1)
GAUSSIAN = Where(lambda decoder, kind: decoder == "gaussian" or (decoder == "auto" and kind != "images"))
PIXELS = Where(lambda decoder, kind: decoder == "bernoulli" or (decoder == "auto" and kind == "images"))


@dataclass
class Descent:
    """The states of the way down, rung by rung from the top: z, p and q of each, and h at the end."""

    z: list[Tensor] = field(default_factory=list)
    p: list[Normal] = field(default_factory=list)
    q: list[Normal] = field(default_factory=list)
    h: Tensor = field(default_factory=lambda: torch.zeros(0))


class Ladder(Observation):
    """Up from x to what it says at each level, and down through the rungs, each p, q and z."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("Small digits, 3 layers", "digits", {"hidden": 32}, DIGITS),
        Preset("MNIST, 3 layers", "mnist", {"hidden": 16}, QUICK),
        Preset("Plane: 2 layers of 2 dimensions", "two-moons", TWO_MOONS, {"steps": 2340, "lr": 2e-3}),
        Preset("Small digits, precision-weighted", "digits", {"hidden": 32, "merge": "precision"}, DIGITS),
        Preset("Small digits, 2-D top", "digits", {"hidden": 32, "latent_dim": 2}, DIGITS),
        Preset("MNIST drawn anew, 3 layers (hours)", "mnist-dynamic", {"anneal": 0.1}, LONG),
        Preset("MNIST drawn anew, 5 flat layers (an hour)", "mnist-dynamic", FLAT, {"epochs": 100}),
    )
    defaults: ClassVar[dict[str, Any]] = {"ema": 0.999, "decay": "cosine", "warmup": 20}

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        layers: Annotated[int, Between(1, 5, "stochastic layers above each other; 1: a plain VAE")] = 3,
        latent_dim: Annotated[int, Between(1, 64, "dimensions of z at the top")] = 16,
        latent_channels: Annotated[
            int, Between(1, 64, "numbers in z below the top: at each place of a grid"), SEVERAL
        ] = 4,
        network: Annotated[str, Only(("conv", "mlp"), "conv: below the top, z lies on grids"), IMAGES] = "conv",
        hidden: Annotated[
            int, Between(8, 1024, "channels of conv, half on the finest grid; units of mlp", log=True)
        ] = 64,
        depth: Annotated[int, Between(1, 6, "residual blocks before each layer")] = 1,
        merge: Annotated[
            str, Only(("precision", "network"), "q: p times what x says, or read from both by a network"), SEVERAL
        ] = "network",
        decoder: Annotated[str, Only(DECODERS, "p(x | z); auto: bernoulli for images, gaussian for points")] = "auto",
        sigma: Annotated[float, Between(0, 10, "standard deviation of a gaussian decoder; 0: learned"), GAUSSIAN] = 0.0,
        anneal: Annotated[float, Between(0, 1, "part of the training over which the KL's weight rises from 0")] = 0.5,
        free_bits: Annotated[float, Between(0, 100, "nats of KL in each layer that cost nothing")] = 1.0,
        binarize: Annotated[str, Only(("threshold", "stochastic"), "for a bernoulli decoder"), PIXELS] = "threshold",
    ) -> None:
        super().__init__(shape)
        self.observes(decoder, sigma, binarize)
        if not self.is_image and self.likelihood != "gaussian":
            raise BadInput(f"Points of the plane take decoder = gaussian, not {decoder}.")
        if network == "conv" and self.is_image and min(shape[1:]) < 8:
            raise BadInput(f"network = conv needs images of at least 8×8, not of shape {shape}: use mlp.")
        self.layers, self.latent_dim, self.merge = layers, latent_dim, merge
        self.anneal, self.free_bits = anneal, free_bits
        where = levels(shape, network if self.is_image else "mlp", layers, hidden)
        stands = [level for level in where for _ in range(level.rungs)]
        sizes = [latent_dim] + [latent_channels] * (layers - 1)
        sees = "x" if merge == "precision" else "d and x"
        self.bottom_up = BottomUp(shape, where, depth)
        self.rungs = nn.ModuleList(
            Rung(size, here, depth, above, sees)
            for size, here, above in zip(sizes, stands, [None, *stands[:-1]], strict=True)
        )
        self.head = Head(shape, where, depth)
        self.of_level = [i for i, level in enumerate(where) for _ in range(level.rungs)]
        self.width, self.passed = hidden, 1.0  # of the training

    # Down the ladder ----------------------------------------------------------------------------------------------

    def descend(self, n: int, choose: Choose) -> Descent:
        """Go down ``n`` times at once; on each rung ``choose`` says z, and may be told what p is there."""
        weight = next(self.parameters())
        d, way = weight.new_zeros(n, self.width), Descent()
        for i, rung in enumerate(self.rungs):
            assert isinstance(rung, Rung)
            d = d if rung.before is None else rung.before(d)
            said = rung.numbers_of_p(d)
            p = _normal(weight.new_zeros(n, 2 * self.latent_dim) if said is None else said.to(weight.dtype))
            z = choose(i, p, d)
            way.p.append(p)
            way.z.append(z)
            d = rung.down(d, z)
        way.h = self.head(d).to(weight.dtype)
        return way

    def posterior(self, i: int, p: Normal, d: Tensor, features: list[Tensor]) -> Normal:
        """q(z_i | above, x): p times what x says of z (Sønderby et al. 2016, eqs. 17–19), or p moved by a network.

        "network" says how far q is from p: mu + Δmu, log σ + Δlog σ (Vahdat & Kautz 2020, section 3.2). At the top,
        where x alone is asked, the two are one.
        """
        rung = self.rungs[i]
        assert isinstance(rung, Rung)
        said = _normal(rung.numbers_of_x(features[self.of_level[i]], d).to(p.mu.dtype))
        if i == 0:
            return said
        return said.times(p) if self.merge == "precision" else Normal(p.mu + said.mu, p.logvar + said.logvar)

    def infer(self, x: Tensor, rng: torch.Generator | None = None, *, k: int = 1, upper: int | None = None) -> Descent:
        """Down the ladder with x at hand, ``k`` times for each: z of the ``upper`` rungs (all) from q, the rest from p.

        Everything has B·k rows, those of one x beside each other; ``q`` has as many rungs as were asked.
        """
        features = [h.repeat_interleave(k, 0) if k > 1 else h for h in self.bottom_up(x)]
        asked = list[Normal]()

        def choose(i: int, p: Normal, d: Tensor) -> Tensor:
            if i >= (self.layers if upper is None else upper):
                return p.draw(rng)
            asked.append(self.posterior(i, p, d, features))
            return asked[-1].draw(rng)

        way = self.descend(len(x) * k, choose)
        way.q = asked
        return way

    # The bound ----------------------------------------------------------------------------------------------------

    def kls(self, way: Descent) -> Tensor:
        """KL(q(z_l | above, x) ‖ p(z_l | above)) of each rung in nats, (B, L), at the draws of the rungs above."""
        return torch.stack([q.kl(p) for q, p in zip(way.q, way.p, strict=True)], 1)

    def elbo(self, x: Tensor, rng: torch.Generator | None = None, *, samples: int = 1) -> Tensor:
        """The evidence lower bound, estimated from ``samples`` ways down, in nats, shape (B,)."""
        way = self.infer(x, rng, k=samples)
        bound = self.log_px(x.repeat_interleave(samples, 0), way.h) - self.kls(way).sum(1)
        return bound.view(len(x), samples).mean(1)

    def log_weights(self, x: Tensor, k: int, rng: torch.Generator | None = None) -> Tensor:
        """log p(x, z_i) − log q(z_i | x) of k ways down z_i ~ q, in nats, shape (B, k)."""
        way = self.infer(x, rng, k=k)
        steps = zip(way.p, way.q, way.z, strict=True)
        each = [p.log_prob(z) - q.log_prob(z) for p, q, z in steps]
        return (self.log_px(x.repeat_interleave(k, 0), way.h) + torch.stack(each).sum(0)).view(len(x), k)

    def iwae(self, x: Tensor, k: int, rng: torch.Generator | None = None) -> Tensor:
        r"""log (1/k) Σ_i p(x, z_i) / q(z_i | x), z_i ~ q, in nats, shape (B,). Burda et al. (2016), eq. 8."""
        return torch.logsumexp(self.log_weights(x, k, rng), 1) - math.log(k)

    def progress(self, fraction: float) -> None:
        """How much of the training has passed: how far the KL's weight has risen."""
        self.passed = fraction

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The negative bound in nats, its KL weighed while it warms up, and free in each layer below the free bits.

        "kl_1" is the KL of the layer beside x, and so on up. "elbo" is always plain: so curves compare.
        """
        beta = min(1.0, self.passed / self.anneal) if self.anneal else 1.0
        way = self.infer(x, rng)
        log_px, kl = self.log_px(x, way.h).mean(), self.kls(way).mean(0)  # (L,)
        paid = kl.clamp_min(self.free_bits) if self.free_bits else kl
        terms = {"loss": beta * paid.sum() - log_px, "elbo": log_px - kl.sum()}
        terms |= {"reconstruction": log_px, "kl": kl.sum()}
        terms |= {f"kl_{i + 1}": one for i, one in enumerate(kl.flip(0))}
        if self.anneal:
            terms["beta"] = torch.full_like(terms["loss"], beta)
        if self.likelihood == "gaussian" and not self.sigma:
            terms["sigma"] = self.log_sigma.exp()
        return terms

    # What it makes ------------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        """The mean of q(z_L | x), the top's, shape (B, L): the code of an example."""
        features = self.bottom_up(x)
        p = _normal(x.new_zeros(len(x), 2 * self.latent_dim))
        return self.posterior(0, p, features[0], features).mu.to(x.dtype)

    def decode(self, z: Tensor) -> Tensor:
        r"""z of the top decoded, (B, L) → (B, \*shape): below it, each layer is at the mean of its p."""

        def decoded(top: Tensor) -> Tensor:
            return self.mean_of_x(self.descend(len(top), lambda i, p, d: p.mu if i else top).h)

        return torch.cat([decoded(part) for part in z.split(ROWS)])

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        draw: Draw = False,
        temperature: Annotated[float, Between(0, 2, "times every σ of p(z); 1: the model's own")] = 1.0,
    ) -> Tensor:
        """Down the ladder with z ~ p(z_l | above), then E[x | z], or with ``draw`` an x ~ p(x | z)."""
        h = self.descend(n, lambda i, p, d: p.draw(rng, temperature=temperature)).h
        return self.draw_x(h, rng) if draw else self.mean_of_x(h)


def _normal(said: Tensor) -> Normal:
    """mu and log σ, one after the other in ``said`` (B, 2·size, …), as a Gaussian; log σ stays within ±WIDEST."""
    mu, log_sigma = said.chunk(2, 1)
    return Normal(mu, 2 * WIDEST * torch.tanh(log_sigma / WIDEST))
