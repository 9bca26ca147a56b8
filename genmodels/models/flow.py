r"""The normalizing flow: an invertible network f between data and noise, so that the density of data is exact.

.. math:: \log p(x) = \log N(f(x); 0, I) + \log \left| \det \frac{\partial f}{\partial x} \right|

Rezende & Mohamed (2015), https://arxiv.org/abs/1505.05770; with couplings: Dinh et al. (2017), Density estimation using
Real NVP, eqs. 2 and 3, https://arxiv.org/abs/1605.08803. To sample is to draw noise z and to go back, x = f⁻¹(z).

f is a chain (:mod:`genmodels.flows.architecture`) of couplings and of what lies between them. Images are whole numbers,
of which there is no density: they get noise first (:mod:`genmodels.flows.images`).
"""

import math
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.flows.architecture import Layers, bijection
from genmodels.hyperparameters import IMAGES, Also, Between, Only, Where, check
from genmodels.models.base import GenerativeModel, Preset
from genmodels.probability.distributions import standard_normal_log_prob

__all__ = ["Flow"]

BINARY = "A flow learns a density, and black or white pixels have none: noise added to two levels is a density of the \
noise. It needs images in grey, as mnist or digits are."
SPLINES = {"coupling": "spline", "couplings": 6, "hidden": 32, "bins": 8}
QUICK = {"steps": 1000, "batch_size": 512, "lr": 5e-3, "ema": 0.998}
MULTI_SCALE = {"network": "conv", "couplings": 8, "depth": 1, "actnorm": True, "dequantization": "variational"}
BLURRED = Where(lambda dequantization, kind: dequantization == "gaussian" and kind == "images")


class Flow(GenerativeModel):
    """The chain f from data to z ~ N(0, I), and the noise that makes real numbers of grey levels."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("Spline flow: two moons", "two-moons", SPLINES, QUICK),
        Preset("Spline flow: eight Gaussians", "eight-gaussians", SPLINES, QUICK),
        Preset("Spline flow: pinwheel", "pinwheel", SPLINES, QUICK | {"batch_size": 1024}),
        Preset("Spline flow: swiss roll", "swiss-roll", SPLINES, QUICK),
        Preset(
            "Spline flow: checkerboard",
            "checkerboard",
            SPLINES | {"bins": 16},  # its edges are jumps
            QUICK | {"steps": 800, "batch_size": 1024},
        ),
        Preset("RealNVP: two moons", "two-moons", {"couplings": 12}, {"steps": 3000, "batch_size": 512, "lr": 2e-3}),
        Preset(
            "Small digits (multi-scale RealNVP)",
            "digits",
            {"network": "conv", "couplings": 4, "hidden": 32, "depth": 1},
            {"steps": 1500, "lr": 2e-3},
        ),
        Preset(
            "Small digits class-conditional (multi-scale RealNVP)",
            "digits",
            {"network": "conv", "couplings": 4, "hidden": 32, "depth": 1, "classes": 10},
            {"steps": 1500, "lr": 2e-3},
        ),
        Preset(
            "MNIST, 8 bits (multi-scale)",
            "mnist",
            MULTI_SCALE,
            {"epochs": 20, "lr": 1e-3, "clip_norm": 100.0},
        ),
        Preset(
            "MNIST class-conditional, 8 bits (multi-scale)",
            "mnist",
            MULTI_SCALE | {"classes": 10},
            {"epochs": 20, "lr": 1e-3, "clip_norm": 100.0},
        ),
        Preset(
            "MNIST: a dense flow of 20 couplings",
            "mnist",
            {"couplings": 20, "hidden": 256, "depth": 1, "mask": "checkerboard"},
            {"epochs": 20, "lr": 1e-3, "warmup": 500, "clip_norm": 100.0},
        ),
    )
    defaults: ClassVar[dict[str, Any]] = {"decay": "cosine", "ema": 0.995}

    grey: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        dequantization: Annotated[
            str, Only(("uniform", "variational", "gaussian"), "noise on grey levels; gaussian: no bound"), IMAGES
        ] = "uniform",
        sigma: Annotated[float, Between(0.01, 100, "of gaussian noise, in grey levels", log=True), BLURRED] = 1.0,
        classes: Annotated[int, Between(0, 1000, "labels that can be asked for; 0: none")] = 0,
        **of_f: Annotated[Any, Also(bijection)],
    ) -> None:
        super().__init__(shape)
        if dequantization == "gaussian" and self.is_image and of_f["pixels"] == "logit":
            raise BadInput(
                "dequantization = gaussian leaves [0, 1], beyond which is no logit: it needs pixels = linear."
            )
        self.latent_dim, self.classes, self.sigma = math.prod(shape), classes, sigma
        self.dequantization = dequantization if self.is_image else "none"
        self.f = bijection(shape, classes=classes, **of_f)
        if self.dequantization == "variational":
            conv = of_f["network"] == "conv"
            small = Layers("affine", min(of_f["hidden"], 32), 1, 2, 1.0, "swap", False, conv, 0)
            self.dequantizer = images.Learned(shape, small.net, couplings=4, convolutional=conv)
        self.register_buffer("grey", torch.full((), 256))

    @property
    def inputs(self) -> str:
        """Images with uniform noise, in (0, 1): the grey levels can be read off them again."""
        return "dequantize"

    @property
    def grey_levels(self) -> int:
        """The number of grey levels of the training images; kept with the weights: a bound on log P(x) needs it."""
        return int(self.grey)

    @grey_levels.setter
    def grey_levels(self, levels: int) -> None:
        self.check_levels(levels)
        self.grey.fill_(levels)

    def check_levels(self, levels: int) -> None:
        """A density is of grey images.

        Raises:
            BadInput: If they are black or white.
        """
        if self.is_image and levels <= 2:
            raise BadInput(BINARY)

    # Density ------------------------------------------------------------------------------------------------------

    def log_prob_and_code(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """log p(x), or log p(x | y), in nats, (B,), and z = f(x), (B, D): the change of variables, eq. 2."""
        z, ladj = self.f(x, self._labels(y, len(x)))
        return standard_normal_log_prob(z).sum(1) + ladj, z

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) in nats, (B,), exact, of ``x`` as ``inputs`` says: of images, per unit of the cube [0, 1]^D.

        Of a conditional model where ``y`` is not given it is the mixture Σ_y p(y) p(x | y).
        """
        if y is None and self.classes:
            return self._each_label(x).logsumexp(1)
        return self.log_prob_and_code(self._real(x), y)[0]

    def _each_label(self, x: Tensor) -> Tensor:
        """log p(y) + log p(x | y) of every label, (B, classes)."""
        told = torch.arange(self.classes, device=x.device).repeat_interleave(len(x)).split(len(x))
        return torch.stack([self.log_prob(x, y) for y in told], 1) + self.label_log_prob().to(x)

    def discrete_log_prob(
        self, x: Tensor, rng: torch.Generator | None = None, *, y: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        r"""A lower bound on log P of images in whole grey levels, nats, (B,): tighter with more ``draws``.

        .. math:: \log P(x) \ge E \log \tfrac1K \sum_{k=1}^K \frac{p(v_k)}{q(v_k \mid x)}, \qquad v_k \sim q(v \mid x)

        Ho et al. (2019), Flow++, section 3.1; importance-weighted as Burda et al. (2016), eq. 8. A model that learned
        with Gaussian noise is asked with uniform noise, without which there is no bound.
        """
        grey = images.whole(x, self.grey)
        noise = self._noise if self.dequantization == "variational" else images.uniform
        weights = []
        for _ in range(draws):
            v, log_q = noise(grey, self.grey, rng)
            weights.append(self.log_prob(v, y) - log_q)
        return torch.stack(weights).logsumexp(0) - math.log(draws)

    def _noise(self, grey: Tensor, levels: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Dequantized as it is trained: v and log q(v | x)."""
        match self.dequantization:
            case "variational":
                return self.dequantizer(grey, levels, rng)
            case "gaussian":
                return images.gaussian(grey, levels, self.sigma, rng)
            case _:
                return images.uniform(grey, levels, rng)

    def noised(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """``x`` with the noise under which it is trained in place of uniform noise; points as they are."""
        return self._noise(images.whole(x, self.grey), self.grey, rng)[0] if self.is_image else x

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """−log p(x) in nats; of images the bound on it that dequantization gives, and the same as "bpd".

        With Gaussian noise it is called "bpd of noised images", for it bounds nothing.
        """
        y = y if self.classes else None
        if not self.is_image:
            with torch.autocast(x.device.type, enabled=False):  # small networks, and no rounding in a density
                return {"loss": -self.log_prob_and_code(x, y)[0].mean()}
        grey = images.whole(self._real(x), self.grey)
        if grey.device.type == "cpu" and bool(((grey == 0) | (grey == self.grey - 1)).all()):
            raise BadInput(BINARY)
        v, log_q = self._noise(grey, self.grey, rng)
        nats = (log_q - self.log_prob_and_code(v, y)[0]).mean()
        name = "bpd of noised images" if self.dequantization == "gaussian" else "bpd"
        return {"loss": nats, name: nats / (self.latent_dim * math.log(2))}

    def _real(self, x: Tensor) -> Tensor:
        """``x``, of which dequantized pixels are never exactly 0 or 1 throughout."""
        if self.is_image and x.device.type == "cpu" and bool(((x == 0) | (x == 1)).all()):
            raise BadInput(BINARY)
        return x

    # Codes and samples --------------------------------------------------------------------------------------------

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """z = f(x), (B, D); of a conditional model that is given no labels, each under its most probable one."""
        if y is None and self.classes:
            y = self._each_label(x).argmax(1)
        return self.log_prob_and_code(x, y)[1]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""x = f⁻¹(z) in data space, (B, \*shape); images in whole grey levels, as shares of white.

        Raises:
            BadInput: If the model is conditional, and ``y`` is not given.
        """
        v = self.f.inverse(z, self._labels(y, len(z)))
        return images.whole(v.nan_to_num(), self.grey) / (self.grey - 1) if self.is_image else v

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        temperature: Annotated[
            float, Between(0.05, 2, "standard deviation of the noise: less than 1 is nearer to the mode")
        ] = 1.0,
    ) -> Tensor:
        """x = f⁻¹(z), z ~ N(0, temperature² I). Kingma & Dhariwal (2018), Glow, section 6.2."""
        temperature = check(Flow.sample, {"temperature": temperature})["temperature"]
        z = temperature * random.randn(n, self.latent_dim, rng=rng, device=self.device)
        z = z.to(next(self.parameters()).dtype)
        training = self.training
        self.eval()  # nothing is set from noise
        try:
            return self.decode(z, self.draw_labels(n, rng) if y is None else y).float()
        finally:
            self.train(training)

    def _labels(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels ``y`` of ``n`` examples, checked."""
        if not self.classes:
            return None
        if y is None:
            raise BadInput(f"A flow with classes = {self.classes} has to be told the labels of {n} examples.")
        return self.checked_labels(y, n)
