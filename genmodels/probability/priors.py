"""Priors p(z) of a latent variable model: each a module with ``log_prob(z)`` in nats and ``sample(n, rng)``.

``log_prob`` takes (..., L) and returns (...). ``marginal_log_prob``, the density of each dimension alone, is there
where it has a closed form.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.flows.couplings import Affine, Couplings
from genmodels.nn.layers import MLP
from genmodels.probability.distributions import normal_log_prob, standard_normal_log_prob

__all__ = ["FlowPrior", "MixtureOfGaussians", "StandardNormal", "VampPrior"]


class StandardNormal(nn.Module):
    """N(0, I): nothing to learn."""

    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), shape (...)."""
        return standard_normal_log_prob(z).sum(-1)

    def marginal_log_prob(self, z: Tensor) -> Tensor:
        """log p(z_j) of each dimension, shape (..., L)."""
        return standard_normal_log_prob(z)

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """Samples, shape (n, L)."""
        return random.randn(n, len(self.origin), rng=rng, device=self.origin.device).to(self.origin.dtype)


class _Mixture(nn.Module):
    r"""Σ_k w_k N(z; mu_k, diag(exp(logvar_k))): one choice of component for the whole vector z."""

    logits: nn.Parameter

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances, shape (K, L) each."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), shape (...)."""
        mu, logvar = self.components()
        each = normal_log_prob(z.unsqueeze(-2), mu, logvar).sum(-1)  # (..., K)
        return torch.logsumexp(each + self.logits.log_softmax(0), -1)

    def marginal_log_prob(self, z: Tensor) -> Tensor:
        """log p(z_j) of each dimension, shape (..., L). Their sum is not log p(z): the mixture is one of vectors."""
        mu, logvar = self.components()
        each = normal_log_prob(z.unsqueeze(-2), mu, logvar)  # (..., K, L)
        return torch.logsumexp(each + self.logits.log_softmax(0).unsqueeze(-1), -2)

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """Samples, shape (n, L): draw the component, then the vector."""
        mu, logvar = self.components()
        edges = self.logits.softmax(0).cumsum(0)[:-1]
        k = torch.searchsorted(edges, random.rand(n, rng=rng, device=mu.device).to(edges.dtype), right=True)
        eps = random.randn(n, mu.shape[1], rng=rng, device=mu.device).to(mu.dtype)
        return mu[k] + torch.exp(0.5 * logvar[k]) * eps


class MixtureOfGaussians(_Mixture):
    """A mixture of Gaussians with learnable weights, means and diagonal covariances.

    The means begin twice as far apart as one component reaches, or all would begin as the same blob and stay near it.
    """

    def __init__(self, latent_dim: int, components: int = 16) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.normal(0.0, 2.0, (components, latent_dim)))
        self.logvar = nn.Parameter(torch.zeros(components, latent_dim))
        self.logits = nn.Parameter(torch.zeros(components))

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances, shape (K, L) each."""
        return self.mu, self.logvar


class VampPrior(_Mixture):
    r"""A mixture of variational posteriors: p(z) = Σ_k w_k q(z | u_k), with learnable pseudo-inputs u_k and weights.

    Tomczak & Welling (2018), VAE with a VampPrior, section 3 (there with equal weights). https://arxiv.org/abs/1705.07120

    Args:
        encode: x → (mu, logvar) of q(z | x): the model's own encoder, whose weights stay the model's.
        shape: Of the data, in whose space the pseudo-inputs lie.
        components: How many.
    """

    def __init__(
        self, encode: Callable[[Tensor], tuple[Tensor, Tensor]], shape: tuple[int, ...], components: int = 16
    ) -> None:
        super().__init__()
        self.encode = encode
        noise = torch.rand if len(shape) == 3 else torch.randn
        self.pseudo_inputs = nn.Parameter(noise(components, *shape))
        self.logits = nn.Parameter(torch.zeros(components))

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances of q(z | u_k), shape (K, L) each."""
        return self.encode(self.pseudo_inputs)


class FlowPrior(Couplings):
    r"""A RealNVP: z is standard normal noise u moved by affine couplings, so that its density is exact.

    .. math:: \log p(z) = \log N(u; 0, I) + \sum_i s_i, \qquad u_a \leftarrow u_a e^{s(u_b)} + t(u_b)

    Dinh et al. (2017), Density estimation using Real NVP, section 3.2. https://arxiv.org/abs/1605.08803

    Each coupling moves the even or, in turn, the odd dimensions given the others. One dimension alone leaves nothing to
    condition on: s and t are then learnable constants, and the prior is a Gaussian with learnable mean and variance.
    It starts as N(0, I).
    """

    def __init__(self, latent_dim: int, couplings: int = 10, hidden: int = 8) -> None:
        sizes = ((latent_dim + 1) // 2, latent_dim // 2)
        moved = [i % 2 if latent_dim > 1 else 0 for i in range(couplings)]
        networks = [MLP(sizes[1 - j] or 1, hidden, 2 * sizes[j]) for j in moved]
        for network in networks:
            nn.init.zeros_(network[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(network[-1].bias)  # type: ignore[arg-type]
        super().__init__(networks, moved, Affine())
        self.sizes = sizes

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), shape (...)."""
        u, ladj = self.normalize(z)
        return standard_normal_log_prob(u).sum(-1) + ladj

    def normalize(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z → (u, log |det ∂u/∂z|), shapes (..., L) and (...): the noise behind z, its even dimensions first."""
        with torch.autocast(z.device.type, enabled=False):  # a density is in full precision
            halves, slopes = self.there([z[..., 0::2], z[..., 1::2]])
        return torch.cat(halves, -1), torch.cat(slopes, -1).sum(-1)

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """Samples, shape (n, L): the same couplings, undone in the opposite order."""
        weight = next(self.parameters())
        u = random.randn(n, sum(self.sizes), rng=rng, device=weight.device).to(weight.dtype)
        z = torch.empty_like(u)
        z[:, 0::2], z[:, 1::2] = self.back(list(u.split(self.sizes, -1)))
        return z

    def read(self, network: nn.Module, halves: list[Tensor], j: int, y: Tensor | None = None) -> Tensor:
        """s and t of half ``j`` given the other, or of the only one given nothing."""
        return super().read(network, halves if self.sizes[1] else [halves[0], torch.ones_like(halves[0])], j)
