r"""Images for a flow: from whole grey levels to real numbers, and from the unit interval to the whole line.

A density says nothing of whole numbers, on which it could be made infinite. So noise u is added to the levels x, and

.. math:: \log P(x) \ge E_{q(v \mid x)}[\log p(v) - \log q(v \mid x)], \qquad v = (x + u) / \mathrm{levels}

holds for every q with u in [0, 1): for uniform noise Theis et al. (2016), section 3.1, https://arxiv.org/abs/1511.01844;
for noise that is learned Ho et al. (2019), Flow++, section 3.1, https://arxiv.org/abs/1902.00275.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels import random
from genmodels.flows.bijections import Bijection, Flatten, Squeeze, halves_of
from genmodels.flows.couplings import Affine, Couplings

__all__ = ["Centred", "Learned", "Logit", "gaussian", "uniform", "whole"]

LOG_2PI = math.log(2 * math.pi)
EDGE = 2**-15  # of a grey level, that noise keeps from the next: in single precision 255 + (1 - 2⁻²⁴) is 256

# Noise ----------------------------------------------------------------------------------------------------------------


def whole(v: Tensor, levels: Tensor | int) -> Tensor:
    """The grey levels 0 … levels − 1 behind dequantized pixels."""
    return (v * levels).floor().clamp_min(0).minimum(torch.as_tensor(levels - 1, device=v.device))


def uniform(x: Tensor, levels: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """v = (x + u)/levels, u uniform, and log q(v | x) in nats, (B,)."""
    u = random.rand(*x.shape, rng=rng, device=x.device).to(x.dtype).clamp(EDGE, 1 - EDGE)
    return (x + u) / levels, levels.log().to(x) * x[0].numel() + x.new_zeros(len(x))


def gaussian(x: Tensor, levels: Tensor, sigma: float, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """v = (x + ½ + σε)/levels with ε ~ N(0, 1), and log q(v | x) in nats, (B,).

    u = ½ + σε leaves [0, 1), so that v no longer says what x was: what is learned is the density of blurred levels,
    and E[log p(v) − log q(v | x)] is no bound on log P(x).
    """
    eps = random.randn(*x.shape, rng=rng, device=x.device).to(x.dtype)
    log_q = (-0.5 * (eps.square() + LOG_2PI) - math.log(sigma) + levels.log().to(x)).flatten(1).sum(1)
    return (x + 0.5 + sigma * eps) / levels, log_q


class Learned(nn.Module):
    r"""Noise u that a flow draws for each image: :math:`u = \Phi(g(\epsilon; x))`, couplings g of Gaussian noise ε.

    Φ is the Gaussian distribution function, so that while g is still the identity, u is uniform. Flow++, section 3.1
    (there the last step is a sigmoid).

    Args:
        shape: Of the images.
        network: Makes the network of a coupling, from how many channels to how many.
        couplings: How many.
        convolutional: Whether the networks see images, which are then squeezed, or rows of pixels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        network: Callable[[int, int], nn.Module],
        couplings: int,
        *,
        convolutional: bool,
    ) -> None:
        super().__init__()
        self.arranged: Bijection = Squeeze() if convolutional else Flatten(shape)
        channels = 4 * shape[0] if convolutional else math.prod(shape)
        sizes, moved = halves_of(channels), [i % 2 for i in range(couplings)]
        networks = [_Beside(network(sizes[1 - j] + channels, 2 * sizes[j])) for j in moved]
        self.couplings = Couplings(networks, moved, Affine(-3 if convolutional else -1, reach=2.0))
        self.sizes = sizes

    def forward(self, x: Tensor, levels: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """v = (x + u)/levels, u ~ q(u | x), and log q(v | x) in nats, (B,)."""
        eps = random.randn(*x.shape, rng=rng, device=x.device).to(x.dtype)
        seen, _ = self.arranged(2 * x / levels - 1)
        halves, slopes = self.couplings.there(list(self.arranged(eps)[0].split(self.sizes, 1)), seen)
        g = self.arranged.inverse(torch.cat(halves, 1))
        u = EDGE + (1 - 2 * EDGE) * torch.special.ndtr(g)
        # log N(ε) − log Φ'(g), in which √2π cancels, less the slopes of the other steps from ε to v
        each = 0.5 * (g.square() - eps.square()) - math.log1p(-2 * EDGE) + levels.log().to(x)
        return (x + u) / levels, each.flatten(1).sum(1) - sum(s.flatten(1).sum(1) for s in slopes)


class _Beside(nn.Module):
    """A network that is shown the image beside the half that stays."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: Tensor, image: Tensor) -> Tensor:
        """The parameters of the other half's transform."""
        return self.network(torch.cat([given, image], 1))


# The range of pixels --------------------------------------------------------------------------------------------------


class Logit(Bijection):
    r"""Pixels in (0, 1) to the whole line: z = logit(α + (1 − 2α) v), which undoes a sigmoid at the end of sampling.

    .. math:: \log |\det J| = \sum_i \log(1 - 2\alpha) - \log p_i (1 - p_i), \qquad p_i = \alpha + (1 - 2\alpha) v_i

    Dinh et al. (2017), Density estimation using Real NVP, section 4.1, with an α small enough that the black of MNIST
    becomes as wide as the rest.
    """

    alpha = 1e-5

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and how much wider it is."""
        z = (self.alpha + (1 - 2 * self.alpha) * x).logit()
        slope = math.log1p(-2 * self.alpha) + F.softplus(z) + F.softplus(-z)
        return z, slope.flatten(1).sum(1)

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Pixels again: beyond (0, 1) by α at most."""
        return (z.sigmoid() - self.alpha) / (1 - 2 * self.alpha)


class Centred(Bijection):
    """Pixels in [0, 1] to [−1, 1]: z = 2v − 1, each of them log 2 wider."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and D log 2."""
        return 2 * x - 1, x.new_full((len(x),), x[0].numel() * math.log(2))

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Pixels again, wherever z was."""
        return (z + 1) / 2
