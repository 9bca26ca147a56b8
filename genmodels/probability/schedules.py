r"""How much noise, when: the forward process of a diffusion model and everything that is known of it in closed form.

A schedule is a table of variances :math:`\beta_1, \dots, \beta_T`. It makes data into noise step by step,

.. math:: q(x_t \mid x_{t-1}) = N(\sqrt{1 - \beta_t}\, x_{t-1},\; \beta_t I)

and with :math:`\alpha_t = 1 - \beta_t`, :math:`\bar\alpha_t = \prod_{s \le t} \alpha_s` also in one leap:

.. math:: x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, \qquad \epsilon \sim N(0, I)

**Time runs from 1 to T**, as in the papers, and t = 0 is the data. Every table has T + 1 entries, so that
``alpha_bar[t]`` is :math:`\bar\alpha_t` and ``alpha_bar[0]`` is 1; nothing here is ever shifted by one.

Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models. https://arxiv.org/abs/2006.11239 (DDPM)
"""

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from genmodels.probability.diffusion.curves import cosine, drawn, linear

__all__ = ["PREDICTIONS", "SCHEDULES", "Schedule", "cosine", "drawn", "linear"]

SCHEDULES = ("linear", "cosine", "drawn")
PREDICTIONS = ("eps", "x0", "v", "score", "mu", "edm")


class Schedule(nn.Module):
    """The tables of one schedule, in float64, and the distributions that follow from them.

    The tables move with the model from device to device, but they stay in float64 (Apple's GPUs have none: float32
    there) and are never saved: they are a function of the configuration.

    A time ``t`` is an int, or a tensor of shape (B,) with one time for each example.

    Args:
        beta: The variances β_1 … β_T, shape (T,), each in (0, 1).
    """

    beta: Tensor
    alpha: Tensor
    alpha_bar: Tensor
    sigma_data: float = 0.5
    """The standard deviation of the data, as "edm" takes it."""

    def __init__(self, beta: Tensor) -> None:
        super().__init__()
        self.T = len(beta)
        beta = torch.cat([torch.zeros(1, dtype=torch.float64), beta.double()])
        self.register_buffer("beta", beta, persistent=False)
        self.register_buffer("alpha", 1 - beta, persistent=False)
        self.register_buffer("alpha_bar", torch.cumprod(1 - beta, 0), persistent=False)

    @classmethod
    def named(cls, name: str, T: int, knots: tuple[float, ...] = ()) -> Self:
        """The schedule "linear", "cosine" or "drawn" with T steps; only a drawn one has ``knots``."""
        return cls({"linear": linear, "cosine": cosine, "drawn": lambda T: drawn(T, knots)}[name](T))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        where = fn(torch.empty(0)).device
        dtype = torch.float32 if where.type == "mps" else torch.float64
        self._buffers = {name: table.to(where, dtype) for name, table in self._buffers.items() if table is not None}
        return self

    def extra_repr(self) -> str:
        """T and the range of the log-SNR, for ``print``."""
        return f"T={self.T}, log-SNR {self.log_snr[1].item():.1f} to {self.log_snr[-1].item():.1f}"

    def at(self, table: Tensor, t: Tensor | int, x: Tensor) -> Tensor:
        """``table[t]`` in the dtype of ``x``, with dimensions to multiply it: (B, 1, …), or (1, 1, …) for an int."""
        return _wide(table[t], x)

    def rates(self, t: Tensor | int, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""How much of x_t is data and how much noise: :math:`\sqrt{\bar\alpha_t}` and :math:`\sqrt{1 - \bar\alpha_t}`.

        They have the dtype of ``x`` and the dimensions to multiply it. Between two steps, at a real-valued ``t``, the
        log-SNR is linear.
        """
        if isinstance(t, int) or not t.is_floating_point():
            return self.at(self.alpha_bar.sqrt(), t, x), self.at((1 - self.alpha_bar).sqrt(), t, x)
        left = t.long().clamp(1, self.T - 1)
        log_snr = torch.lerp(self.log_snr[left], self.log_snr[left + 1], t.to(self.alpha_bar) - left)
        return _wide(log_snr.sigmoid().sqrt(), x), _wide((-log_snr).sigmoid().sqrt(), x)

    # How much noise -----------------------------------------------------------------------------------------------

    @property
    def snr(self) -> Tensor:
        r"""Signal-to-noise ratio :math:`\bar\alpha_t / (1 - \bar\alpha_t)`, shape (T + 1,); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    @property
    def log_snr(self) -> Tensor:
        """Natural logarithm of :attr:`snr`, shape (T + 1,)."""
        return self.snr.log()

    @property
    def noise_left(self) -> float:
        r"""Standard deviation :math:`\varsigma_1` of the noise that the last step takes away, on the data's scale."""
        return math.exp(-self.log_snr[1].item() / 2)

    @property
    def beta_tilde(self) -> Tensor:
        r"""Variance of q(x_{t-1} | x_t, x_0), shape (T + 1,); 0 at t = 1 (DDPM eq. 7)."""
        before = torch.cat([self.alpha_bar[:1], self.alpha_bar[:-1]])
        return torch.where(self.beta > 0, (1 - before) / (1 - self.alpha_bar).clamp(min=1e-300) * self.beta, 0.0)

    def sigma2(self, variance: str) -> Tensor:
        r"""Variance of the model's own step p(x_{t-1} | x_t), shape (T + 1,): β_t ("beta") or β̃_t ("posterior").

        β̃_1 is 0, which no density can have: the last step takes β̃_2 instead, as in Nichol & Dhariwal (2021). Of a
        "learned" variance, which is in no table, it is β̃_t as well.
        """
        if variance == "beta":
            return self.beta
        tilde = self.beta_tilde.clone()
        tilde[1] = tilde[2]
        return tilde

    def sigma2_at(self, variance: str | Tensor, t: Tensor | int, x: Tensor) -> Tensor:
        r""":meth:`sigma2` at times ``t``, to be multiplied by ``x``; a tensor ν, as large as x, is a learned variance.

        .. math:: \Sigma = \exp(\nu \log \beta_t + (1 - \nu) \log \tilde\beta_t)

        Nichol & Dhariwal (2021), eq. 15. https://arxiv.org/abs/2102.09672
        """
        if isinstance(variance, str):
            return self.at(self.sigma2(variance), t, x)
        high, low = (self.at(self.sigma2(name).log(), t, x) for name in ("beta", "posterior"))
        return (low + variance * (high - low)).exp()

    def time(self, log_snr: Tensor) -> Tensor:
        """The real-valued time in [1, T] at which the log-SNR, linear between the steps, has these values."""
        falling = self.log_snr[1:].to(log_snr)
        right = torch.searchsorted(-falling, -log_snr).clamp(1, self.T - 1)
        a, b = falling[right - 1], falling[right]
        return (right + (log_snr - a) / (b - a)).clamp(1, self.T)

    # The distributions --------------------------------------------------------------------------------------------

    def q(self, x_0: Tensor, t: Tensor | int) -> tuple[Tensor, Tensor]:
        """The mean and the variance of x_t given x_0 (DDPM eq. 4)."""
        a, sigma = self.rates(t, x_0)
        return a * x_0, sigma.square()

    def noised(self, x_0: Tensor, eps: Tensor, t: Tensor | int) -> Tensor:
        """x_t from the data and the noise ``eps`` (DDPM, below eq. 8)."""
        a, sigma = self.rates(t, x_0)
        return a * x_0 + sigma * eps

    def posterior(
        self, x_t: Tensor, x_0: Tensor, t: Tensor | int, s: Tensor | int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(x_s | x_t, x_0), for any s < t; by default s = t − 1 (DDPM eq. 6 and 7)."""
        s = t - 1 if s is None else s
        alpha_bar, before = self.alpha_bar[t], self.alpha_bar[s]
        alpha, beta = alpha_bar / before, 1 - alpha_bar / before  # α_t and β_t where s = t − 1
        of_x_0 = before.sqrt() * beta / (1 - alpha_bar)
        of_x_t = alpha.sqrt() * (1 - before) / (1 - alpha_bar)
        return _wide(of_x_0, x_t) * x_0 + _wide(of_x_t, x_t) * x_t, _wide((1 - before) / (1 - alpha_bar) * beta, x_t)

    def in_mu(self, t: Tensor | int, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""How much of x_0 and of x_t there is in :math:`\tilde\mu_t`, linear in t between two steps (DDPM eq. 7)."""
        before = torch.cat([self.alpha_bar[:1], self.alpha_bar[:-1]])
        left = (1 - self.alpha_bar).clamp(min=1e-300)
        tables = before.sqrt() * self.beta / left, self.alpha.sqrt() * (1 - before) / left
        if isinstance(t, int) or not t.is_floating_point():
            return self.at(tables[0], t, x), self.at(tables[1], t, x)
        low = t.long().clamp(1, self.T - 1)
        of_x_0, of_x_t = (torch.lerp(one[low], one[low + 1], t.to(one) - low) for one in tables)
        return _wide(of_x_0, x), _wide(of_x_t, x)

    def edm(self, t: Tensor | int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""EDM's preconditioning, said of x_t: :math:`c_\text{skip}`, :math:`c_\text{out}` and :math:`c_\text{in}`.

        .. math:: \hat x_0 = c_\text{skip}\, x_t + c_\text{out}\, F(c_\text{in}\, x_t, t), \qquad
                  k^2 = (1 - \bar\alpha_t) + \bar\alpha_t \sigma_\text{data}^2

        with √ᾱ σ²_data / k², √(1 − ᾱ) σ_data / k and 1 / k: the network sees and says numbers of variance 1. Karras et
        al. (2022), table 1. https://arxiv.org/abs/2206.00364
        """
        a, sigma = self.rates(t, x)
        k = (sigma.square() + (a * self.sigma_data).square()).sqrt()
        return a * self.sigma_data**2 / k.square(), sigma * self.sigma_data / k, 1 / k

    def chance(self, mean: float, std: float) -> Tensor:
        r"""The chance of each t where :math:`\ln \varsigma \sim N(\text{mean}, \text{std}^2)`, shape (T + 1,); of 0, 0.

        EDM's noise in training (there, table 1: −1.2 and 1.2). A t takes what is nearer to its noise than to another's.
        """
        ln = -self.log_snr[1:] / 2
        edges = torch.cat([ln.new_tensor([-torch.inf]), (ln[1:] + ln[:-1]) / 2, ln.new_tensor([torch.inf])])
        return torch.cat([ln.new_zeros(1), torch.special.ndtr((edges - mean) / std).diff()])

    # What a network may predict -----------------------------------------------------------------------------------

    def target(self, x_0: Tensor, eps: Tensor, t: Tensor | int, predict: str) -> Tensor:
        r"""The target of a network that predicts "eps", "x0", "v", "score", "mu" or "edm".

        .. math:: v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0, \qquad
                  \nabla_{x_t} \log q(x_t \mid x_0) = -\epsilon / \sqrt{1 - \bar\alpha_t}

        The mean of the second, given x_t, is the score of q(x_t): denoising score matching (Vincent 2011,
        https://doi.org/10.1162/NECO_a_00142). v: Salimans & Ho (2022), Progressive distillation, section 4 and
        appendix D, https://arxiv.org/abs/2202.00512. "mu" is :math:`\tilde\mu_t(x_t, x_0)`, DDPM eq. 7 and 8.
        "edm" is :math:`(x_0 - c_\text{skip} x_t) / c_\text{out}`, by what :meth:`edm` says of x_t: Karras et al.
        (2022), table 1, https://arxiv.org/abs/2206.00364; of data with variance 1 it is −v.
        """
        a, sigma = self.rates(t, x_0)
        match predict:
            case "v":
                return a * eps - sigma * x_0
            case "score":
                return -eps / sigma
            case "mu":
                of_x_0, of_x_t = self.in_mu(t, x_0)
                return of_x_0 * x_0 + of_x_t * self.noised(x_0, eps, t)
            case "edm":
                skip, out, _ = self.edm(t, x_0)
                return (x_0 - skip * self.noised(x_0, eps, t)) / out
            case _:
                return eps if predict == "eps" else x_0

    def to_eps(self, output: Tensor, x_t: Tensor, t: Tensor | int, predict: str) -> Tensor:
        """The noise in ``x_t``, by what a network that predicts ``predict`` has said."""
        a, sigma = self.rates(t, x_t)
        match predict:
            case "v":
                return sigma * x_t + a * output
            case "score":
                return -sigma * output
            case "mu" | "edm":
                return (x_t - a * self.to_x_0(output, x_t, t, predict)) / sigma
            case _:
                return output if predict == "eps" else (x_t - a * output) / sigma

    def to_x_0(self, output: Tensor, x_t: Tensor, t: Tensor | int, predict: str) -> Tensor:
        """The data behind ``x_t``, by what a network that predicts ``predict`` has said (DDPM eq. 15 for "eps")."""
        a, sigma = self.rates(t, x_t)
        match predict:
            case "v":
                return a * x_t - sigma * output
            case "score":
                return (x_t + sigma.square() * output) / a
            case "mu":
                of_x_0, of_x_t = self.in_mu(t, x_t)
                return (output - of_x_t * x_t) / of_x_0
            case "edm":
                skip, out, _ = self.edm(t, x_t)
                return skip * x_t + out * output
            case _:
                return output if predict == "x0" else (x_t - sigma * output) / a

    def by_quarter(self, values: Tensor, t: Tensor) -> Tensor:
        """Means of ``values`` over each quarter of 1 … T, (4,), at random times ``t``: unbiased whatever the batch."""
        of_all = torch.arange(self.T, device=values.device) * 4 // self.T  # the quarter of each t
        quarters = torch.arange(4, device=values.device)
        quarter = (of_all[t - 1, None] == quarters).to(values)  # (B, 4)
        size = (of_all[:, None] == quarters).sum(0)
        return values @ quarter / len(values) * self.T / size

    # What an error costs ------------------------------------------------------------------------------------------

    def weight(self, weighting: str, predict: str, *, gamma: float = 5.0, variance: str = "beta") -> Tensor:
        r"""The weight at each t of the squared error, per dimension, of what the network predicts, shape (T + 1,).

        - "simple": 1 (DDPM eq. 14, where the network predicts eps; of a score it is denoising score matching as such).
        - "noise": alike on the error of ε, whatever is predicted: of a score NCSN's λ(σ) = σ² (Song & Ermon 2019).
        - "snr": :math:`\min(\mathrm{SNR}, \gamma)` on the error of x_0. Hang et al. (2023), Efficient diffusion
          training via min-SNR weighting, eq. 5. https://arxiv.org/abs/2303.09556
        - "bound": :math:`T \beta_t^2 / (2 \sigma_t^2 \alpha_t (1 - \bar\alpha_t))` on the error of ε (DDPM eq. 12):
          with t uniform the loss is then the variational bound in nats per dimension, up to what no network can change.
          At t = 1 it is so of points, whose L_0 is a Gaussian density; that of pixels is no square (DDPM eq. 13), and
          the loss pays it itself. Of a learned variance it is the bound with β̃_t in its place.
        """
        if weighting == "simple":
            return torch.ones_like(self.beta)
        snr = self.snr
        if weighting == "noise":
            of_x_0 = snr
        elif weighting == "snr":
            of_x_0 = snr.clamp(max=gamma)
        else:
            of_eps = self.T * self.beta**2 / (2 * self.sigma2(variance) * self.alpha * (1 - self.alpha_bar))
            of_x_0 = of_eps * snr  # |ε − ε̂|² = SNR |x_0 − x̂_0|²
        per_x_0 = {"eps": snr, "x0": torch.ones_like(snr), "v": 1 + snr}  # |v − v̂|² = (1 + SNR) |x_0 − x̂_0|²
        table = of_x_0 / (per_x_0[predict] if predict in per_x_0 else self._per_eps(predict) * snr)
        table[0] = 0.0  # t = 0 is the data: never asked
        return table

    def _per_eps(self, predict: str) -> Tensor:
        """How large the squared error of a predicted score, mu or edm is beside that of ε, shape (T + 1,)."""
        if predict == "score":
            return 1 / (1 - self.alpha_bar)
        at = torch.arange(self.T + 1, device=self.beta.device)
        if predict == "edm":
            return 1 / (self.edm(at, self.beta)[1].square() * self.snr)
        return self.in_mu(at, self.beta)[0].square() / self.snr

    def weight_of_eps(self, weight: Tensor, predict: str) -> Tensor:
        """The weight of ε's error that equals ``weight`` of the error of what the network predicts, by t, (T + 1,).

        Where all errors of v count alike, those of ε count 1/ᾱ_t: the more, the more noise there is.
        """
        a = self.alpha_bar
        known = {"eps": torch.ones_like(a), "x0": (1 - a) / a, "v": 1 / a}
        return weight.to(a) * (known[predict] if predict in known else self._per_eps(predict))


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """``values``, shape () or (B,), in the dtype of ``x`` and with the dimensions to multiply it."""
    return values.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
