r"""The VQ-VAE: an autoencoder whose code is a few of K vectors, and a model of which of them occur.

.. math:: z_e = E(x), \qquad k_i = \arg\min_j \|z_{e,i} - e_j\|, \qquad z_q = e_k
.. math:: \mathcal L = -\log p(x \mid z_q) - \log p(k)
    + \|\mathrm{sg}[z_e] - e_k\|^2 + \beta \|z_e - \mathrm{sg}[e_k]\|^2

Van den Oord, Vinyals & Kavukcuoglu (2017), Neural Discrete Representation Learning, eq. 3.
https://arxiv.org/abs/1711.00937

q(k | x) is certain, so E_q[log p(x | k)] − KL(q ‖ p) is log p(x | k) + log p(k): a bound on log p(x), and no estimate.
The prior p(k) is autoregressive (:mod:`genmodels.models.vq.priors`). It is given whole numbers, through which no
gradient passes: so −log p(k) may stand in the one loss, and teaches the prior alone. The paper fits it afterwards, to
codes that move no more: so does ``settle``, after a part of the training; without it they come to rest as the learning
rate falls.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Switch, Where, check
from genmodels.models.base import GenerativeModel, Preset
from genmodels.models.vq.codebook import Codebook, perplexity, straight_through
from genmodels.models.vq.priors import CodeFrequencies, CodeMaps
from genmodels.nn.layers import MLP
from genmodels.nn.maps import MapDecoder, MapEncoder, halved
from genmodels.probability.distributions import bernoulli_log_prob, normal_log_prob

__all__ = ["VQVAE"]

GREY = {"decoder": "gaussian", "sigma": 0.25}  # about as the pixels vary; a narrow one asks for codes of every detail
MNIST = {"depth": 2, "prior_channels": 64, "prior_depth": 6, "settle": 0.5}
PLANE = {"codes": 32, "code_dim": 2}
MEANS = {"steps": 600, "batch_size": 512, "lr": 1e-2}
QUICK = {"steps": 600, "batch_size": 128, "lr": 4e-3}
SETTLED = GREY | {"codes": 32, "hidden": 32, "prior_channels": 32, "settle": 0.5}
LEARNED = Where(lambda depth, kind: kind == "images" or depth > 0)  # encoder and decoder
LONGER = {"steps": 1500, "batch_size": 64, "lr": 4e-3, "ema": 0.99}  # in small batches, and as many seconds


class VQVAE(GenerativeModel):
    """encoder x → a map of vectors, codebook, decoder → the parameter of p(x | z), and the prior over the codes.

    Of a picture the codes are a map (H, W), of a point they are one code, (): ``map``.
    """

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("Small digits, 16 codes each", "digits", SETTLED, LONGER),
        Preset("Small digits, codebook by gradient", "digits", GREY | {"codebook": "straight-through"}, QUICK),
        Preset("MNIST, 49 codes each", "mnist", MNIST, {"epochs": 20, "batch_size": 64, "ema": 0.999}),
        Preset("Plane: k-means of two moons", "two-moons", {"codes": 32, "depth": 0}, MEANS),
        Preset("Plane: two moons in 32 cells", "two-moons", PLANE, {"steps": 1500, "batch_size": 512}),
        Preset(
            "Plane: a codebook that lies idle",
            "two-moons",
            PLANE | {"codebook": "straight-through"},
            {"steps": 1500, "batch_size": 512},
        ),
    )
    defaults: ClassVar[dict[str, Any]] = {"lr": 2e-3, "decay": "cosine"}

    log_sigma: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        codes: Annotated[int, Between(2, 1024, "vectors of the codebook, K", log=True)] = 64,
        code_dim: Annotated[
            int,
            Between(1, 256, "numbers of a vector", log=True),
            LEARNED,
        ] = 8,
        codebook: Annotated[
            str,
            Only(("ema", "straight-through"), "its vectors follow: a moving average, or the gradient of a loss"),
        ] = "ema",
        codebook_decay: Annotated[
            float,
            Between(0, 0.9999, "γ of the moving average; 0: k-means of each batch"),
            Where(lambda codebook: codebook == "ema"),
        ] = 0.99,
        restart: Annotated[
            float,
            Between(0, 1, "of an even use, below which a vector begins anew at something encoded; 0: never"),
            Where(lambda codebook: codebook == "ema"),
        ] = 0.1,
        commitment: Annotated[
            float, Between(0, 100, "β, how strongly the encoder is drawn to its vectors"), LEARNED
        ] = 0.25,
        settle: Annotated[
            float,
            Between(0.05, 1, "part of the training after which codes move no more, and the prior is fitted to them"),
        ] = 1.0,
        decoder: Annotated[
            str, Only(("bernoulli", "gaussian"), "p(x | z): black or white pixels, or grey ones"), IMAGES
        ] = "bernoulli",
        sigma: Annotated[
            float,
            Between(0, 10, "standard deviation of a gaussian decoder; 0: learned. Large: codes easily foreseen"),
            Where(lambda decoder, kind: decoder == "gaussian" or kind != "images"),
        ] = 0.0,
        hidden: Annotated[
            int,
            Between(8, 1024, "units of a layer; of images channels", log=True),
            LEARNED,
        ] = 64,
        depth: Annotated[
            int, Between(0, 4, "of points hidden layers, 0: z is x, and this is k-means; of images halvings")
        ] = 1,
        blocks: Annotated[int, Between(0, 8, "residual blocks, at the size of the map of codes"), IMAGES] = 2,
        prior_channels: Annotated[int, Between(4, 256, "of the prior's PixelCNN", log=True), IMAGES] = 48,
        prior_depth: Annotated[int, Between(1, 32, "gated layers of the prior's PixelCNN"), IMAGES] = 4,
    ) -> None:
        super().__init__(shape)
        self.likelihood = decoder if self.is_image else "gaussian"
        self.commitment, self.settle = commitment, settle
        self.passed = 0.0  # of the training
        self.encoder: nn.Module
        self.decoder: nn.Module
        self.prior: CodeMaps | CodeFrequencies
        self.map: tuple[int, ...]
        if self.is_image:
            self.map = (halved(shape[1], depth), halved(shape[2], depth))
            how = {"channels": hidden, "depth": depth, "blocks": blocks}
            self.encoder = MapEncoder(shape, code_dim, **how)
            self.decoder = MapDecoder(code_dim, shape, **how)
            self.prior = CodeMaps(codes, self.map, channels=prior_channels, depth=prior_depth)
        else:
            self.map, code_dim = (), code_dim if depth else 2
            layers = [hidden] * depth
            self.encoder = MLP(2, *layers, code_dim) if depth else nn.Identity()
            self.decoder = MLP(code_dim, *layers, 2) if depth else nn.Identity()
            self.prior = CodeFrequencies(codes)
        self.codebook = Codebook(codes, code_dim, codebook_decay if codebook == "ema" else None, restart)
        self.latent_dim = math.prod(self.map) * code_dim
        if self.likelihood == "gaussian":
            log_sigma = torch.full((), math.log(sigma or (0.3 if self.is_image else 1.0)))
            if sigma:
                self.register_buffer("log_sigma", log_sigma)
            else:
                self.log_sigma = nn.Parameter(log_sigma)

    @property
    def learns_sigma(self) -> bool:
        """Whether the width of a Gaussian decoder is learned."""
        return self.likelihood == "gaussian" and not self.config["sigma"]

    @property
    def inputs(self) -> str:
        """Black or white pixels; or grey ones with uniform noise in (0, 1), for whole grey levels have no density."""
        return "threshold" if self.likelihood == "bernoulli" else "dequantize"

    def check_levels(self, levels: int) -> None:
        """A Gaussian's density is of grey images.

        Raises:
            BadInput: If they are black or white.
        """
        if self.is_image and self.likelihood == "gaussian" and levels <= 2:
            raise BadInput("decoder = gaussian needs images in grey; black or white pixels take decoder = bernoulli.")

    def optimizer(self, player: str, lr: float) -> torch.optim.Optimizer:
        """Adam; one number, the decoder's σ, has a long way to go and takes ten times as long steps."""
        if not self.learns_sigma:
            return super().optimizer(player, lr)
        others = [p for p in self.parameters() if p is not self.log_sigma]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": [self.log_sigma], "scale": 10.0}]
        return torch.optim.Adam(groups, lr=lr, fused=True)

    # There and back -----------------------------------------------------------------------------------------------

    def encoded(self, x: Tensor) -> Tensor:
        r"""z_e, (B, \*map, L), for ``x`` as ``inputs`` says."""
        z = self.encoder(x).to(x.dtype)
        return z.movedim(1, -1)

    def codes(self, x: Tensor) -> Tensor:
        r"""k, the numbers of the nearest vectors, (B, \*map), int64: q(k | x) is 1 there."""
        return self.codebook.nearest(self.encoded(x))

    def x_params(self, z: Tensor) -> Tensor:
        r"""The parameter of p(x | z), (B, \*shape), for z (B, \*map, L): logits, or a Gaussian's mean.

        The mean is not squashed into [0, 1]: while codes say nothing yet, black is nearly the best answer for a digit,
        and where a sigmoid has gone there it has no gradient to come back by.
        """
        return self.decoder(z.movedim(-1, 1)).to(z.dtype)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        r"""log p(x | z) in nats, (B,), for x (B, \*shape) and z (B, \*map, L)."""
        h = self.x_params(z)
        if self.likelihood == "bernoulli":
            return bernoulli_log_prob(x, h).flatten(1).sum(1)
        return normal_log_prob(x, h, 2 * self.log_sigma).flatten(1).sum(1)

    def shown(self, codes: Tensor) -> Tensor:
        r"""E[x | k] in data space, (B, \*shape), for codes (B, \*map)."""
        h = self.x_params(self.codebook(codes))
        return h.sigmoid() if self.likelihood == "bernoulli" else h

    def encode(self, x: Tensor) -> Tensor:
        """The vectors of an example's codes, one after another, (B, H·W·L)."""
        return self.codebook(self.codes(x)).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        r"""Numbers (..., H·W·L) decoded to data space, (..., \*shape): each vector is first the nearest code."""
        vectors = z.reshape(-1, *self.map, self.codebook.vectors.shape[1])
        return self.shown(self.codebook.nearest(vectors)).unflatten(0, z.shape[:-1])

    # The bound ----------------------------------------------------------------------------------------------------

    def elbo(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """log p(x | k) + log p(k) ≤ log p(x), k the codes of x, in nats, (B,): no estimate, nothing is drawn.

        Of black or white pixels p(x) is a probability; of grey ones the density of dequantized pixels, per unit of the
        cube [0, 1]^D, which in turn bounds the probability of whole grey levels; of points a density.
        """
        codes = self.codes(x)
        return self.log_likelihood(x, self.codebook(codes)) + self.prior.log_prob(codes)

    @property
    def log_prob(self) -> Callable[[Tensor], Tensor]:
        """log p(x) of points in nats, (B,), exact: log Σ_k p(k) p(x | k), a mixture of K Gaussians of one width."""
        if self.is_image:
            raise AttributeError("log p(x) sums over all maps of codes: of images there are too many")
        return lambda x: self.log_joint(x).logsumexp(1)

    def log_joint(self, x: Tensor) -> Tensor:
        """log p(k) + log p(x | k) of points under every code, nats, (B, K)."""
        every = torch.arange(len(self.codebook.vectors), device=x.device)
        means = self.shown(every)
        log_px = normal_log_prob(x.unsqueeze(1), means, 2 * self.log_sigma).sum(-1)
        return self.prior.log_prob(every) + log_px

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The bound and what draws vectors and encoder to each other. Van den Oord et al. (2017), eq. 3, and −log p(k).

        ‖z_e − e_k‖² is summed over the places, as nats are. Where the vectors are a moving average, they need no loss.
        Once the codes have settled, no gradient comes to encoder and codebook; decoder and prior learn on.
        """
        z = self.encoded(x)
        codes = self.codebook.nearest(z)
        e = self.codebook(codes)
        if self.passed >= self.settle:  # gradients of 0 rather than none: processes that train together wait for all
            z, e = z.detach() + 0 * z, e.detach() + 0 * e
        elif self.training:
            self.codebook.see(z, codes, rng)
        log_px = self.log_likelihood(x, straight_through(z, e)).mean()
        log_pk = self.prior.log_prob(codes).mean()
        far = (z - e.detach()).square().flatten(1).sum(1).mean()
        loss = self.commitment * far - log_px - log_pk
        if self.codebook.decay is None:
            loss = loss + (z.detach() - e).square().flatten(1).sum(1).mean()
        share = self.codebook.shares(codes)
        terms = {"loss": loss, "elbo": log_px + log_pk, "reconstruction": log_px, "code nll": -log_pk, "distance": far}
        terms |= {"perplexity": perplexity(share), "codes in use": (share > 0).float().mean()}
        if self.is_image:
            terms["bpd"] = self.bits(-log_px - log_pk)
        if self.learns_sigma:
            terms["sigma"] = self.log_sigma.exp()
        return terms

    def bits(self, nats: Tensor) -> Tensor:
        """Bits per dimension of whole pixels, from nats of the bound."""
        a_dim = nats / (math.prod(self.shape) * math.log(2))
        return a_dim if self.likelihood == "bernoulli" else a_dim + math.log2(self.grey_levels)

    def progress(self, fraction: float) -> None:
        """How much of the training has passed: whether the codes have settled."""
        self.passed = fraction

    def after_turn(self, player: str) -> None:
        """The moving average of the codebook takes its step."""
        self.codebook.follow()

    # Sampling -----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        draw: Annotated[bool, Switch("draw x from p(x | k) instead of showing its mean"), IMAGES] = False,
        uniform: Annotated[bool, Switch("every code as often, at every place: without the prior")] = False,
        temperature: Annotated[
            float, Between(0.05, 5, "of the prior's laws, to the power 1 / T: less is surer", log=True)
        ] = 1.0,
    ) -> Tensor:
        """k ~ p(k), one place after another, then E[x | k], or with ``draw`` an x ~ p(x | k), of images cut to [0, 1].

        What a point shows is always drawn: its means are but K.
        """
        check(VQVAE.sample, {"draw": draw, "uniform": uniform, "temperature": temperature})
        if uniform:
            codes = random.randint(0, len(self.codebook.vectors), n, *self.map, rng=rng, device=self.device)
        else:
            codes = self.prior.sample(n, rng, temperature)
        x = self.shown(codes)
        if draw and self.likelihood == "bernoulli":
            return (random.rand(*x.shape, rng=rng, device=x.device) < x).float()
        if draw or not self.is_image:
            x = x + self.log_sigma.exp() * random.randn(*x.shape, rng=rng, device=x.device)
        return (x.clamp(0, 1) if self.is_image else x).float()
