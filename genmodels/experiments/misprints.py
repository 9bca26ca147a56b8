"""What the sources have wrong: each line, the right one, and a small experiment that tells them apart."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.experiments import refutations
from genmodels.experiments.refutations import Outcome

__all__ = ["MISPRINTS", "Misprint", "told"]

REPORT = "A Tale of VAEs, WGANs, and DDPMs (report)"
PERSPECTIVE = "Image Generation Models from a Probabilistic Perspective (report)"
LECTURE = "Deep Generative Models (lecture)"
PROJECT = "Mini project 1, generative models (report)"
ASSIGNMENT = "Assignment 3, deep generative models"


@dataclass(frozen=True)
class Misprint:
    """A line of a source that is wrong.

    Attributes:
        source: Which source, and where in it.
        line: As it stands there, LaTeX.
        correct: As it should be, LaTeX.
        asks: What is computed both ways, a phrase.
        why: What is wrong with it, a sentence.
        test: Computes it.
    """

    source: str
    line: str
    correct: str
    asks: str
    why: str
    test: Callable[[], Outcome]


def told() -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Every experiment of :data:`MISPRINTS`. A task.

    Returns:
        "wrong", "right" and "truth", (N,) each, in their order.
    """
    outcomes = []
    for i, one in enumerate(MISPRINTS):
        yield i / len(MISPRINTS)
        outcomes.append(one.test())
    return {name: np.array([getattr(one, name) for one in outcomes]) for name in ("wrong", "right", "truth")}


MISPRINTS = (
    Misprint(
        f"{REPORT}, sampling from a DDPM",
        r"x_{t-1} = \frac{1}{\sqrt{\bar\alpha_t}}\Big(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon_\theta\Big) + \sigma_t z",
        r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon_\theta\Big) + \sigma_t z",
        "standard deviation of what comes out, of data with 0.5",
        "One step undoes one step's shrinking, √α_t; with √ᾱ_t each undoes that of all steps before it.",
        refutations.sampling_step,
    ),
    Misprint(
        f"{PERSPECTIVE}, the objective",
        r"x_t = \sqrt{\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon",
        r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon",
        "variance of the last x_t, of data with 1",
        "The weights' squares must add up to 1, or the process does not keep the variance.",
        refutations.noised_variance,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 66",
        r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_t}\beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\frac{\sqrt{\bar\alpha_t}(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t",
        r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\frac{\sqrt{\alpha_t}(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t",
        "posterior's mean at t = 500 for x_t = x_0 = 1, beside Bayes' product",
        "The first root is that of the step before, the second that of one step.",
        refutations.posterior_mean,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 68",
        r"\tilde\mu_t(x_t) = \frac{1}{\sqrt{\bar\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon\Big)",
        r"\tilde\mu_t(x_t) = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon\Big)",
        "standard deviation of x_{t−1} at t = 500 drawn around it, of data with 0.5",
        "The posterior's mean goes back one step, √α_t, as in its own eq. 72.",
        refutations.posterior_step,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 73",
        r"E\Big\lVert \frac{\beta_t^2}{2\sigma_t^2\alpha_t(1 - \bar\alpha_t)} \epsilon - "
        r"\epsilon_\theta(\sqrt{\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, t)\Big\rVert^2",
        r"E\Big[\frac{\beta_t^2}{2\sigma_t^2\alpha_t(1 - \bar\alpha_t)} \big\lVert \epsilon - "
        r"\epsilon_\theta(\sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, t)\big\rVert^2\Big]",
        "loss of one dimension at t = 500, where the network is right: ε_θ = ε",
        "The weight is that of the squared error; inside, it teaches the network to answer a small part of the noise.",
        refutations.weight_inside,
    ),
    Misprint(
        f"{PERSPECTIVE}, eqs. 56 and 57",
        r"E\Big[-\log \frac{p(x_{0:T})}{p(x_0)\, q(x_{1:T} \mid x_0)}\Big] = "
        r"E\Big[\log p(x_0) - \log \frac{p(x_{0:T})}{q(x_0)\, q(x_{1:T} \mid x_0)}\Big]",
        r"E\Big[-\log \frac{p(x_{0:T})}{p(x_0)\, q(x_{1:T} \mid x_0)}\Big] = "
        r"E\Big[\log p(x_0) - \log \frac{p(x_{0:T})}{q(x_{1:T} \mid x_0)}\Big]",
        "KL to the true posterior of one step at x_0 = 2, nats",
        "What is taken out of the fraction is gone from it; with q(x_0) left in, a KL is negative.",
        refutations.factor_left_inside,
    ),
    Misprint(
        f"{REPORT}, Langevin's dynamics",
        r"x_{t+1} = x_t - \eta \nabla \log p(x_t) + \sqrt{2\eta}\, \zeta_t",
        r"x_{t+1} = x_t + \eta \nabla \log p(x_t) + \sqrt{2\eta}\, \zeta_t",
        "standard deviation after 500 steps of 0.01 for N(0, 1)",
        "The drift goes up the density; with the other sign everything flies apart.",
        refutations.langevin,
    ),
    Misprint(
        f"{REPORT}, maximum likelihood",
        r"\text{KL}(p^* \,\|\, p_\theta) = E_{x \sim p^*}\Big[\log \frac{p_\theta(x)}{p^*(x)}\Big]",
        r"\text{KL}(p^* \,\|\, p_\theta) = E_{x \sim p^*}\Big[\log \frac{p^*(x)}{p_\theta(x)}\Big]",
        "KL of N(1, 1) from N(0, 1), nats",
        "No KL is negative; this is its negative, and making it small would drive the model away from the data.",
        refutations.sign_of_kl,
    ),
    Misprint(
        f"{REPORT}, the decoder",
        r"p(x \mid z) = \prod_i x_i^{u_i} (1 - x_i)^{1 - u_i}",
        r"p(x \mid z) = \prod_i u_i^{x_i} (1 - u_i)^{1 - x_i}",
        "total probability of a pixel",
        "The pixel x is the exponent and the decoder's u the base; the other way round black and white are impossible.",
        refutations.swapped,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 28",
        r"p(x \mid z) = \nu^{x} + (1 - \nu)^{1 - x}",
        r"p(x \mid z) = \nu^{x} (1 - \nu)^{1 - x}",
        "total probability of a pixel",
        "A product, whose logarithm is the sum of the next line.",
        refutations.plus_for_times,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 23",
        r"\mathcal L \simeq D_{KL}(\mathcal N(\mu, \sigma^2 I) \,\|\, \mathcal N(0, I)) + "
        r"\frac1L \sum_l \log p(x \mid z^{(l)})",
        r"\mathcal L \simeq -D_{KL}(\mathcal N(\mu, \sigma^2 I) \,\|\, \mathcal N(0, I)) + "
        r"\frac1L \sum_l \log p(x \mid z^{(l)})",
        "bound at x = 2, where q is the true posterior; the truth is log p(x)",
        "The KL is what the bound pays. Added, it rewards codes far from the prior, and here it ends over log p(x).",
        refutations.kl_added,
    ),
    Misprint(
        f"{REPORT}, the encoder",
        r"q(z \mid x) = \mathcal N(z; \mu, \operatorname{diag}(\sigma)),\quad z = \mu + \sigma \odot \epsilon",
        r"q(z \mid x) = \mathcal N(z; \mu, \operatorname{diag}(\sigma^2)),\quad z = \mu + \sigma \odot \epsilon",
        "standard deviation of the density, where the draws have 0.25",
        "A Gaussian's second argument is its covariance: σ is what multiplies the noise, σ² what stands there.",
        refutations.scale_or_variance,
    ),
    Misprint(
        f"{ASSIGNMENT}, eq. 21",
        r"D_{KL}\Big(\sum_n q(z \mid x_n) \,\Big\|\, p(z)\Big) \approx 0",
        r"D_{KL}\Big(\frac1N \sum_n q(z \mid x_n) \,\Big\|\, p(z)\Big) \approx 0",
        "KL of ten posteriors that share out a uniform prior, nats",
        "A sum of N densities has mass N and is none: its KL is N log N at best.",
        refutations.aggregate,
    ),
    Misprint(
        f"{PROJECT}, table 1",
        r"\text{ELBO} = -135.00,\quad \text{IWAE} = -29.40",
        r"\text{ELBO} \le \text{IWAE}_k \le \log p(x)",
        "nats from the ELBO to the IWAE; the truth's are all that there are up to log p(x)",
        "Both bound the same log p(x), which lies 7 nats over the ELBO here; 106 is a sum over other things.",
        refutations.order_of_bounds,
    ),
    Misprint(
        f"{PROJECT}, below table 1",
        r"\text{“no significant impact”}",
        r"t = \frac{\bar x_1 - \bar x_2}{\sqrt{s_1^2/n_1 + s_2^2/n_2}}",
        "Welch's t of its own numbers, VampPrior against Gaussian; the line says at most this",
        "If its ± is the standard deviation of ten trainings, its own table says that a prior helps.",
        refutations.significance,
    ),
    Misprint(
        f"{ASSIGNMENT}, 3.4",
        r"x + u,\quad u \sim \mathcal N(0, 1)",
        r"x + u,\quad u \sim \mathcal U[0, 1)",
        "share of pixels whose level is still known",
        "Noise that leaves its level's cell mixes the levels, and the density bounds no probability any more.",
        refutations.dequantized,
    ),
    Misprint(
        f"{LECTURE}, FID",
        r"\lVert\mu_G - \mu_R\rVert^2 + \operatorname{tr}(\Sigma_G + \Sigma_R - (\Sigma_G\Sigma_R)^{1/2})",
        r"\lVert\mu_G - \mu_R\rVert^2 + \operatorname{tr}(\Sigma_G + \Sigma_R - 2(\Sigma_G\Sigma_R)^{1/2})",
        "FID of data against themselves, ten features",
        "Without the 2 a perfect model scores the data's own variance.",
        refutations.frechet_of_itself,
    ),
    Misprint(
        f"{LECTURE}, the optimal generator",
        r"\text{JS} = \text{KL}[p \,\|\, m] + \text{KL}[q \,\|\, m],\quad m = \tfrac{p + q}{2}",
        r"\text{JS} = \tfrac12\text{KL}[p \,\|\, m] + \tfrac12\text{KL}[q \,\|\, m]",
        "JS of two distributions that share nothing",
        "It is the mean of the two; their sum is 2 JS.",
        refutations.jensen_shannon,
    ),
    Misprint(
        f"{REPORT}, eq. 4",
        r"W(p, p_\theta) = \inf_\gamma E\big[\lVert x - y \rVert^2\big] = \sup_{\lVert f \rVert_L \le 1} "
        r"E_{p}[f(x)] - E_{p_\theta}[f(x)]",
        r"W(p, p_\theta) = \inf_\gamma E\big[\lVert x - y \rVert\big] = \sup_{\lVert f \rVert_L \le 1} "
        r"E_{p}[f(x)] - E_{p_\theta}[f(x)]",
        "distance of two points 3 apart; the truth is the supremum",
        "The dual is that of W₁, whose cost is not squared; with the square it is W₂², which has another dual.",
        refutations.squared_cost,
    ),
    Misprint(
        f"{REPORT}, WGAN's algorithm",
        r"\textbf{for } t = 0, \dots, n_\text{critic}",
        r"\textbf{for } t = 1, \dots, n_\text{critic}",
        "the critic's turns, where five are asked for",
        "From 0 to n are n + 1.",
        refutations.critics_turns,
    ),
)
"""In the order in which a class meets them."""
