r"""The codebook of a VQ-VAE: K vectors, of which the nearest takes the place of whatever is encoded.

.. math:: z_q = e_k, \qquad k = \arg\min_j \|z_e - e_j\|

Its vectors follow what is encoded as them, by gradient of ‖sg[z_e] − e‖², or as a moving average: k-means, a batch at a
time. Van den Oord et al. (2017), Neural Discrete Representation Learning, eqs. 2 and 3, appendix A.1.
https://arxiv.org/abs/1711.00937
"""

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from genmodels import random

__all__ = ["Codebook", "perplexity", "straight_through"]

LEAST = 1e-8  # share of the codes, below which a vector of the moving average stays where it is


def straight_through(z: Tensor, e: Tensor) -> Tensor:
    """``e``, whose gradient goes to ``z`` as it is and not to ``e``: of rounding there is none (section 3.2)."""
    return e.detach() + (z - z.detach())


def perplexity(share: Tensor) -> Tensor:
    r"""exp H of the shares (K,), which add up to 1: of how many codes an even use would be as uncertain, 1 to K."""
    return torch.special.entr(share).sum().exp()


class Codebook(nn.Module):
    """K vectors of L numbers.

    Args:
        codes: K.
        dim: L.
        decay: γ of the moving average; None: the vectors are parameters, and learn by gradient.
        restart: A vector of the moving average that is used less often than this share of an even use begins anew at
            something that was just encoded; 0: never.
    """

    vectors: Tensor
    share: Tensor
    total: Tensor

    def __init__(self, codes: int, dim: int, decay: float | None, restart: float = 0.0) -> None:
        super().__init__()
        self.decay, self.restart = decay, restart
        start = nn.init.uniform_(torch.empty(codes, dim), -1 / codes, 1 / codes)  # all near 0: none is nearest of all
        if decay is None:
            self.vectors = nn.Parameter(start)
        else:
            self.register_buffer("vectors", start)
            self.register_buffer("share", torch.zeros(codes))  # N_k of eq. 6, as a share of all codes
            self.register_buffer("total", torch.zeros(codes, dim))  # m_k of eq. 7
        self.seen: tuple[Tensor, Tensor, Tensor] | None = None  # of the last batch: see below

    def nearest(self, z: Tensor) -> Tensor:
        """k of the nearest vector, (...), int64, for ``z`` (..., L). Equation 1."""
        with torch.autocast(z.device.type, enabled=False):
            e = self.vectors.detach().to(z)
            far = e.square().sum(1) - 2 * z.detach() @ e.T  # ‖z − e‖² but for ‖z‖²
        return far.argmin(-1)

    def forward(self, codes: Tensor) -> Tensor:
        """e_k, (..., L), for ``codes`` (...)."""
        return F.embedding(codes, self.vectors)

    def shares(self, codes: Tensor) -> Tensor:
        """How often each of the K is among ``codes`` (...), (K,); adds up to 1."""
        return self._is(codes).mean(0)

    def _is(self, codes: Tensor) -> Tensor:
        return (codes.flatten().unsqueeze(1) == torch.arange(len(self.vectors), device=codes.device)).to(
            self.vectors.dtype
        )

    @torch.no_grad()
    def see(self, z: Tensor, codes: Tensor, rng: torch.Generator | None = None) -> None:
        """Note what a batch encodes as what, for :meth:`follow`: ``z`` (..., L) and its ``codes`` (...)."""
        if self.decay is None:
            return
        flat, one = z.flatten(0, -2).to(self.vectors), self._is(codes)
        some = flat  # where a vector may begin anew
        if self.restart:
            some = flat[random.randint(0, len(flat), len(self.vectors), rng=rng, device=z.device)]
        with torch.autocast(z.device.type, enabled=False):
            self.seen = one.mean(0), one.T @ flat / len(one), some

    @torch.no_grad()
    def follow(self) -> None:
        r"""Move each vector to the average of what was encoded as it, of the last batch most of all.

        .. math:: N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \qquad
            m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_i z_{k,i}, \qquad e_k = m_k / N_k

        Van den Oord et al. (2017), eqs. 6 to 8. With γ = 0 this is a step of k-means (Lloyd 1982,
        https://doi.org/10.1109/TIT.1982.1056489). A vector that nothing is encoded as stays where it is.
        """
        if self.decay is None or self.seen is None:
            return
        (share, total, some), self.seen = self.seen, None
        if distributed.is_available() and distributed.is_initialized():  # of all processes' rows
            for mean in (share, total):
                distributed.all_reduce(mean)
                mean /= distributed.get_world_size()
        self.share.lerp_(share, 1 - self.decay)
        self.total.lerp_(total, 1 - self.decay)
        if self.restart:
            self._begin_anew(some)
        used = (self.share > LEAST).unsqueeze(1)
        average = self.total / self.share.clamp_min(LEAST).unsqueeze(1)
        self.vectors.copy_(torch.where(used, average, self.vectors))

    def _begin_anew(self, some: Tensor) -> None:
        """Vectors that are seldom used move to ``some`` (K, L), and count at first as if they were used as often."""
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast(some, 0)
        even = self.share.sum() / len(self.share)
        seldom = self.share < self.restart * even
        self.share.copy_(torch.where(seldom, even, self.share))
        self.total.copy_(torch.where(seldom.unsqueeze(1), even * some, self.total))
