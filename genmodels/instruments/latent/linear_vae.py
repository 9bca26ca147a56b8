"""The linear VAE beside PPCA, which it is: the same likelihood, all of it known, and an encoder that has to find it.

Lucas, Tucker, Grosse & Norouzi (2019), Don't blame the ELBO! A linear VAE perspective on posterior collapse,
https://arxiv.org/abs/1911.02469: the ELBO of a linear VAE adds no maxima to those of PPCA's likelihood, and meets it at
the best: there the columns of W are orthogonal, for only then is the true posterior one that a diagonal q can be.
"""

import math
from collections.abc import Generator
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.latent.subspace import angles, best_log_prob, covariance_and_means
from genmodels.models.latent.linear_gaussian import LinearGaussian, principal_of
from genmodels.models.vae import VAE
from genmodels.probability.distributions import kl_to_standard_normal, normal_log_prob
from genmodels.probability.priors import StandardNormal
from genmodels.text import number

__all__ = ["as_ppca", "closed_elbo", "conclusion", "is_linear", "linear"]

Array = npt.NDArray[Any]


def is_linear(model: Any) -> bool:
    """Whether a model is a VAE with linear maps, a Gaussian decoder and the prior N(0, I): PPCA with an encoder."""
    is_normal = isinstance(getattr(model, "prior", None), StandardNormal)
    return isinstance(model, VAE) and model.config["depth"] == 0 and model.likelihood == "gaussian" and is_normal


def as_ppca(model: VAE) -> LinearGaussian:
    """The PPCA that a linear VAE's decoder is, float64, on the same device.

    Raises:
        BadInput: If the VAE is not linear, or has as many latent dimensions as x.
    """
    if not is_linear(model):
        raise BadInput("This is for a VAE with depth = 0, decoder = gaussian and prior = normal: then it is PPCA.")
    ppca = LinearGaussian(model.shape, latent_dim=model.latent_dim).double().to(model.device)
    layer = next(part for part in model.decoder.modules() if isinstance(part, torch.nn.Linear))
    with torch.no_grad():
        ppca.W.copy_(layer.weight)
        ppca.mu.copy_(layer.bias)
        ppca.log_psi.fill_(model.logvar_x)
    return ppca.eval()


def closed_elbo(model: VAE, x: Tensor) -> Tensor:
    r"""The ELBO of a linear VAE without any draw, nats, (B,).

    .. math:: \log N(x; W m + \mu, \sigma^2 I) - \frac{1}{2 \sigma^2} \sum_j s_j^2 \|w_j\|^2 - \mathrm{KL}(q \,\|\, p)

    for q(z | x) = N(m, diag s²): the expectation of a quadratic function. Lucas et al. (2019).
    """
    m, logvar = (t.double() for t in model.posterior(x))
    ppca = as_ppca(model)
    mean = m @ ppca.W.T + ppca.mu
    of_mean = normal_log_prob(x.flatten(1).double(), mean, ppca.log_psi).sum(1)
    blur = 0.5 * torch.exp(-ppca.log_psi) * (logvar.exp() @ ppca.W.square().sum(0))
    return of_mean - blur - kl_to_standard_normal(m, logvar).sum(1)


@torch.no_grad()
def linear(model: VAE, data: Data) -> Generator[float, None, dict[str, Array]]:
    """A linear VAE beside PPCA on all training examples, without any draw. A task.

    Returns:
        Means in nats: "elbo", "log_prob" of the very same decoder, exact, and "best", the most that PPCA can reach.
        Their differences: what the encoder loses, KL(q ‖ p(z | x)), and what the decoder has still to learn. "angles"
        between its subspace and the principal one, degrees; "correlation", between latent dimensions in the true
        posterior, (L, L), which a diagonal q cannot have; "sigma", of the decoder, and "best_sigma", PPCA's; "left",
        how much of each dimension's prior variance the posterior leaves, (L,).
    """
    ppca = as_ppca(model)
    known = yield from covariance_and_means(
        model, data, lambda x: closed_elbo(model, x), lambda x: ppca.log_prob(x.double())
    )
    of_data, (elbo, log_prob) = known
    w_best, sigma2, values = principal_of(of_data, model.latent_dim)
    covariance = ppca.posterior(ppca.mu.unsqueeze(0))[1]  # for every x the same
    scale = covariance.diagonal().sqrt()
    found = {
        "elbo": torch.tensor(elbo),
        "log_prob": torch.tensor(log_prob),
        "best": torch.tensor(best_log_prob(values, model.latent_dim)),
        "angles": angles(ppca.W.cpu(), w_best),
        "correlation": covariance / scale / scale.unsqueeze(1),
        "sigma": ppca.log_psi[0].mul(0.5).exp(),
        "best_sigma": sigma2.sqrt(),
        "left": covariance.diagonal(),
    }
    return {name: value.cpu().numpy() for name, value in found.items()}


def conclusion(found: dict[str, Array]) -> str:
    """How far a linear VAE is from PPCA, a sentence; of what :func:`linear` returns."""
    elbo, log_prob, best = (float(found[name]) for name in ("elbo", "log_prob", "best"))
    if not math.isfinite(elbo + log_prob + best):
        return "Not every bound is a number here: there is nothing to conclude."
    encoder, decoder = number(log_prob - elbo, 2), number(best - log_prob, 2)
    widest = number(float(found["angles"].max()), 2)
    lost = f"The encoder loses {encoder} nats of log p(x), and the decoder misses {decoder} of PPCA's best"
    return f"{lost}; its subspace is {widest} degrees from the principal one."
