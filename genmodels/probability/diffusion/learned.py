r"""Variational diffusion: a schedule that is learned with the network, and the bound of continuous time.

With :math:`\gamma(u) = -\log \mathrm{SNR}`, rising over u from 0 to 1, the steps of the bound become an integral,

.. math:: L_\infty = \tfrac12 E_{u, \epsilon}\, \gamma'(u)\, \|\epsilon - \hat\epsilon(x_u, u)\|^2

which changes with the ends γ(0) and γ(1) alone: the way between decides only how much the estimate of it scatters.

Kingma, Salimans, Poole & Ho (2021), Variational diffusion models, eqs. 17 and 19. https://arxiv.org/abs/2107.00630
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels import random
from genmodels.probability.schedules import Schedule

__all__ = ["ENDS", "Learned", "even", "level_term"]

ENDS = (-13.3, 5.0)
"""γ at u = 0 and 1 before training: the data to the last of 256 grey levels, and hardly anything of them."""
WIDTH = 64


class Learned(Schedule):
    r"""A schedule whose log-SNR is a monotone network.

    .. math:: \gamma(u) = \gamma_0 + (\gamma_1 - \gamma_0)\, m(u), \qquad
              m(u) = \frac{\tilde m(u) - \tilde m(0)}{\tilde m(1) - \tilde m(0)}, \qquad
              \tilde m(u) = w u + \sum_k v_k\, \mathrm{sigmoid}(a_k u + b_k)

    with w, v and a positive (there, appendix H). At the steps t = 1 … T, u = (t − 1) / (T − 1). Its tables follow its
    weights, which are saved with the network's.

    Args:
        T: Steps.
    """

    def __init__(self, T: int) -> None:
        nn.Module.__init__(self)
        self.T = T
        self.ends = nn.Parameter(torch.tensor(ENDS))
        self.slope = nn.Parameter(torch.zeros(()))
        self.heights = nn.Parameter(torch.full((WIDTH,), -6.0))  # softplus: little beside the slope of 1, a line
        self.steep = nn.Parameter(torch.full((WIDTH,), 8.0))
        self.centres = nn.Parameter((torch.arange(WIDTH) + 0.5) / WIDTH)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Learned":
        return nn.Module._apply(self, fn, recurse)

    def way(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """m(u), from 0 to 1, and its slope m′(u), both of the shape of u."""
        slope, heights, steep = self.slope.exp(), F.softplus(self.heights), F.softplus(self.steep)
        at = torch.cat([u.flatten(), torch.arange(2, dtype=u.dtype, device=u.device)])
        bend = (steep * (at[:, None] - self.centres)).sigmoid()
        rise = slope * at + (heights * bend).sum(1)
        steepness = slope + (heights * steep * bend * (1 - bend)).sum(1)
        whole = rise[-1] - rise[-2]
        return ((rise[:-2] - rise[-2]) / whole).view_as(u), (steepness[:-2] / whole).view_as(u)

    def gamma(self, u: Tensor) -> Tensor:
        """−log SNR at u in [0, 1]."""
        low, high = self.ends.unbind()
        return low + (high - low) * self.way(u)[0]

    @property
    @torch.no_grad()
    def alpha_bar(self) -> Tensor:  # type: ignore[override]
        """ᾱ_t for t = 0 … T from the learned log-SNR, (T + 1,); no gradient: trained is :meth:`bound`."""
        dtype = torch.float32 if self.ends.device.type == "mps" else torch.float64
        gamma = self.gamma(torch.linspace(0, 1, self.T, dtype=dtype, device=self.ends.device))
        return torch.cat([gamma.new_ones(1), (-gamma).sigmoid()])

    @property
    def alpha(self) -> Tensor:  # type: ignore[override]
        """α_t for t = 0 … T from the learned log-SNR, (T + 1,)."""
        a = self.alpha_bar
        return torch.cat([a[:1], a[1:] / a[:-1]])

    @property
    def beta(self) -> Tensor:  # type: ignore[override]
        """β_t for t = 0 … T from the learned log-SNR, (T + 1,)."""
        return 1 - self.alpha

    @property
    @torch.no_grad()
    def weights(self) -> Tensor:
        """What a squared error of ε weighs in :meth:`bound` at t = 0 … T, γ′(u)/2 at the u of t, (T + 1,); of 0, 0."""
        dtype = torch.float32 if self.ends.device.type == "mps" else torch.float64
        u = torch.linspace(0, 1, self.T, dtype=dtype, device=self.ends.device)
        low, high = self.ends.unbind()
        return torch.cat([u.new_zeros(1), (high - low) * self.way(u)[1] / 2])

    def bound(
        self, eps_hat: Callable[[Tensor, Tensor], Tensor], x: Tensor, levels: int, rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The bound on −log p(x) of images in continuous time, nats, (B,) each, at one time for each: what is trained.

        The ends are trained to make the bound small. The way between them cannot: it is trained to make the square of
        the estimate small, and so its variance (there, appendix I.2).

        Args:
            eps_hat: The network's noise, of x_t and real-valued t.
            x: Images in [-1, 1], (B, C, H, W).
            levels: Their grey levels.
            rng: The source of the noise.

        Returns:
            "steps", "prior" and "last"; the last of the first :data:`FEW` images alone, (FEW,).
        """
        u = even(len(x), rng, x.device).to(self.ends)
        way, slope = self.way(u)
        cost: Tensor | None = None

        def by_square(gradient: Tensor) -> Tensor:
            return gradient * 2 * cost if cost is not None else gradient

        if way.requires_grad:
            way.register_hook(by_square)
            slope.register_hook(by_square)
        low, high = self.ends.unbind()
        gamma, steepness = low + (high - low) * way, (high - low) * slope
        wide = gamma.view(-1, *[1] * (x.ndim - 1))
        eps = random.randn(*x.shape, rng=rng, device=x.device)
        x_u = (-wide).sigmoid().sqrt() * x + wide.sigmoid().sqrt() * eps
        error = (eps - eps_hat(x_u, 1 + u * (self.T - 1))).square().flatten(1).sum(1)
        steps = steepness / 2 * error
        cost = steps.detach() / steps.detach().mean()  # the scale is Adam's business
        a2 = (-high).sigmoid()
        prior = 0.5 * (a2 * x.square() + (1 - a2) - 1 - (1 - a2).log()).flatten(1).sum(1)
        few = x[:FEW]
        noise = random.randn(*few.shape, rng=rng, device=x.device)
        x_1 = (-low).sigmoid().sqrt() * few + low.sigmoid().sqrt() * noise
        return {"steps": steps, "prior": prior, "last": level_term(few, x_1, (-low).exp(), levels)}


FEW = 8


def even(n: int, rng: torch.Generator | None, device: torch.device) -> Tensor:
    """``n`` times in [0, 1), evenly apart from one random start, so that each is uniform: an estimate scatters less."""
    first = random.rand(1, rng=rng, device=device)
    return (first + torch.arange(n, device=device) / n) % 1


def level_term(x_0: Tensor, x_1: Tensor, snr: Tensor, levels: int) -> Tensor:
    r"""−log p(x_0 | x_1), nats, shape (B,), where of the grey levels each is as probable as it explains x_1.

    .. math:: p(x \mid x_1) \propto N(x_1 / \sqrt{\bar\alpha_1};\; x,\; 1 / \mathrm{SNR})

    No network is asked: at the little noise of t = 1 x_1 says its level itself (there, section 4.1).

    Args:
        x_0: Images in [-1, 1], (B, …).
        x_1: Draws from q(x_1 | x_0).
        snr: Signal-to-noise ratio at t = 1.
        levels: Grey levels, equally spaced.
    """
    grid = torch.linspace(-1, 1, levels, dtype=x_0.dtype, device=x_0.device)
    u = (x_1 * (1 + 1 / snr).sqrt().to(x_1))[..., None]  # x_1 / √ᾱ_1
    logits = -0.5 * snr.to(x_1) * (u - grid).square()
    true = ((x_0 + 1) / 2 * (levels - 1)).round().long()
    return -logits.log_softmax(-1).gather(-1, true[..., None])[..., 0].flatten(1).sum(1)
