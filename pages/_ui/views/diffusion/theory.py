"""From the bound to the loss in steps, with the numbers of one example, beside the code that computes them."""

from typing import Any

import streamlit as st

from genmodels.instruments.diffusion.bound import numbers
from genmodels.models.ddpm import DDPM
from genmodels.probability import diffusion_elbo, samplers
from genmodels.probability.diffusion.learned import Learned, level_term
from genmodels.probability.schedules import Schedule
from pages._ui.form import url_widgets
from pages._ui.page.symbols import NOISED
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import example_of
from pages._ui.views.diffusion.bound import trained
from pages._ui.views.diffusion.score_theory import SCORE

__all__ = ["theory"]

FORWARD: Equations = {
    Schedule.noised: r"""Noise in one leap
        $$ q(x_t \mid x_0) = N\!\left(\sqrt{\bar\alpha_t}\, x_0,\; (1 - \bar\alpha_t) I\right) $$
        $$ \beta_t = <beta> \\ \bar\alpha_t = <alpha_bar> \\ \mathrm{SNR} = \bar\alpha_t / (1 - \bar\alpha_t) = <snr> \\
        \|x_0\|^2 / D = <|x_0|^2> \\ \|x_t\|^2 / D = <|x_t|^2> $$
        t steps of a Markov chain are one Gaussian, so training never walks the chain. Eq. 4.""",
    Schedule.posterior: r"""The step back, were x₀ known
        $$ q(x_{t-1} \mid x_t, x_0) &= N(\tilde\mu_t, \tilde\beta_t I) \\
        \tilde\mu_t &= \tfrac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t} x_0
        + \tfrac{\sqrt{\alpha_t} (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t $$
        $$ \tilde\beta_t = <beta_tilde> \\ \beta_t = <beta> $$
        Bayes' rule for Gaussians. The model takes this step with its guess x̂₀ in place of x₀. Eqs. 6 and 7.""",
}
BOUND: Equations = {
    diffusion_elbo.Chain.every_term: r"""The bound, term by term
        $$ -\log p(x_0) \le\; &\underbrace{KL(q(x_T \mid x_0) \,\|\, p(x_T))}_{L_T} \\ + \sum_{t \ge 2} \;
        &\underbrace{E_q KL(q(x_{t-1} \mid x_t, x_0) \,\|\, p(x_{t-1} \mid x_t))}_{L_{t-1}} \\
        &\underbrace{- E_q \log p(x_0 \mid x_1)}_{L_0} $$
        $$ L_T = <L_T> \\ L_{t-1} = <L> $$
        The ELBO of a model whose latents are x₁, x₂, … up to T and whose encoder is fixed. Eq. 5.""",
}
STEP: dict[str, Equations] = {
    "fixed": {
        diffusion_elbo.step_term: r"""Each term compares two Gaussians
            $$ L_{t-1} &= C + \tfrac{1}{2\sigma_t^2} \|\tilde\mu_t(x_t, x_0) - \tilde\mu_t(x_t, \hat x_0)\|^2 \\
            C &= \tfrac{D}{2}\left(\tfrac{\tilde\beta_t}{\sigma_t^2} - 1
            - \log \tfrac{\tilde\beta_t}{\sigma_t^2}\right) $$
            $$ \sigma_t^2 = <sigma2> \\ C = <constant> \\ L_{t-1} - C = <L - C> $$
            The variance σ² of the model's step is the schedule's, so C is no business of what says ε̂. Eq. 8."""
    },
    "learned": {
        diffusion_elbo.step_term: r"""Each term compares two Gaussians
            $$ L_{t-1} &= C + \textstyle\sum_i \tfrac{1}{2\sigma_i^2}
            (\tilde\mu_i(x_t, x_0) - \tilde\mu_i(x_t, \hat x_0))^2 \\
            C &= \tfrac12 \textstyle\sum_i \left(\tfrac{\tilde\beta_t}{\sigma_i^2} - 1
            - \log \tfrac{\tilde\beta_t}{\sigma_i^2}\right) $$
            $$ \sigma_t^2 = <sigma2> \\ C = <constant> \\ L_{t-1} - C = <L - C> $$
            The network says σ² too, another for each dimension, so C is its business: the bound trains it. One number
            stands for all of them here, their geometric mean, and below for the weights their mean over the errors.
            Eq. 8; Nichol & Dhariwal (2021), https://arxiv.org/abs/2102.09672."""
    },
}
"""By whether the variance of a step is learned."""
NOISE: Equations = {
    Schedule.weight: r"""The same, said of the noise
        $$ L_{t-1} - C = \frac{\beta_t^2}{2\sigma_t^2 \alpha_t (1 - \bar\alpha_t)}
        \|\epsilon - \epsilon_\theta(x_t, t)\|^2 $$
        $$ \tfrac{\beta_t^2}{2\sigma_t^2 \alpha_t (1 - \bar\alpha_t)} = <weight> \\
        \|\epsilon - \epsilon_\theta\|^2 = <squared error> \\ \text{product} = <product> $$
        x₀ and ε are affine in each other given xₜ, so the product is the L − C above. Eq. 12.""",
}
WEIGHED: dict[str, Equations] = {
    "simple": {
        DDPM.loss: r"""The weight is left out
            $$ L = <loss> $$
            $$ \|\epsilon - \hat\epsilon\|^2 / D = <mse> \\ \text{its weight in this loss} = <trained> $$
            Of a network that says ε this is L_simple, eq. 14: less weight on small t, whose noise no eye sees, worse
            likelihood, better pictures. The same loss of v weighs the error of ε by 1/ᾱ, that of x₀ by (1 − ᾱ)/ᾱ, that
            of the score by 1/(1 − ᾱ)."""
    },
    "noise": {
        DDPM.loss: r"""The noise alike at every t
            $$ L &= <loss> \\ w_t \|\text{error}\|^2 &= \|\epsilon - \hat\epsilon\|^2 $$
            $$ \|\epsilon - \hat\epsilon\|^2 / D = <mse> \\ \text{its weight in this loss} = <trained> $$
            Whatever the network says, its error counts as that of ε does: of ε itself this is L_simple, eq. 14, of a
            score λ(σ) = σ² (Song & Ermon 2019). Less weight on small t than in the bound."""
    },
    "snr": {
        DDPM.loss: r"""The data, up to a limit
            $$ L &= <loss> \\ w_t \|\text{error}\|^2 &= \min(\mathrm{SNR}, \gamma)\, \|x_0 - \hat x_0\|^2 $$
            $$ \gamma = <gamma> \\ \|\epsilon - \hat\epsilon\|^2 / D = <mse> \\
            \text{its weight in this loss} = <trained> $$
            Where there is much noise an error of ε counts as in L_simple; where SNR > γ less, by γ/SNR. Hang et al.
            (2023), eq. 5, https://arxiv.org/abs/2303.09556."""
    },
    "bound": {
        DDPM.loss: r"""The weight is kept
            $$ L &= <loss> \\ w_t \|\text{error}\|^2 &= \frac{T \beta_t^2}{2 \sigma_t^2 \alpha_t (1 - \bar\alpha_t)}
            \|\epsilon - \hat\epsilon\|^2 $$
            $$ \|\epsilon - \hat\epsilon\|^2 / D = <mse> \\ \text{its weight in this loss} = <trained> $$
            L is a mean over t, so T times the weight above: the bound in nats per dimension, less what no network can
            change. Pictures pay L₀ itself at t = 1, not the square. Of a learned variance σ² is β̃ here."""
    },
    "learned": {
        Learned.bound: r"""The weight of infinitely many steps
            $$ L &= L_T + L_\infty + L_0 \\
            L_\infty &= \tfrac12 E_{u, \epsilon}\left[\gamma'(u)\, \|\epsilon - \hat\epsilon\|^2\right], \qquad
            \gamma = -\log \mathrm{SNR} $$
            $$ \|\epsilon - \hat\epsilon\|^2 / D = <mse> \\ \tfrac12 \gamma'(u) = <trained> $$
            Between t = 1 and T a time u runs from 0 to 1. L∞ changes with the ends of γ alone, which are trained by the
            bound; the way between them is trained to make its estimate scatter little. Kingma et al. (2021),
            Variational diffusion models, https://arxiv.org/abs/2107.00630."""
    },
}
"""What is trained, by how the error weighs over t; a learned schedule is trained by the bound of continuous time."""
SAID: Equations = {
    Schedule.to_x_0: r"""Noise, data, or v between the two
        $$ \hat x_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t}\, \hat\epsilon}{\sqrt{\bar\alpha_t}}, \qquad
        \|x_0 - \hat x_0\|^2 = \frac{\|\epsilon - \hat\epsilon\|^2}{\mathrm{SNR}} $$
        $$ \|x_0 - \hat x_0\|^2 / D = <mse of x_0> \\ \text{error of } \epsilon \,/\, \mathrm{SNR} = <mse / snr> $$
        A network may say any of them; each says the others. Eq. 15; v: Salimans & Ho (2022), appendix D.""",
    Schedule.edm: r"""Or what the data lack, in units of 1
        $$ \hat x_0 = c_\text{skip}\, x_t + c_\text{out}\, F_\theta(c_\text{in}\, x_t, t) $$
        EDM: the network sees and says numbers of variance 1 at every noise (of data with variance 1 it says −v), and
        learns where there is something to learn, ln ς ~ N(−1.2, 1.2²). As briefly trained as a network
        that says ε, it is far ahead on eight Gaussians; on the 8×8 digits its bits are fewer, its samples no better
        (docs/measures.md). Karras et al. (2022), table 1, https://arxiv.org/abs/2206.00364.""",
}
LAST: dict[str, Equations] = {
    "grey levels": {
        diffusion_elbo.discretized_log_prob: r"""The last step, to grey levels
            $$ p(x_0 \mid x_1) = \prod_i \int_{\text{bin of } x_0^i} N(x;\, \mu^i(x_1), \sigma_1^2)\, dx $$
            So that the bound is one on the probability of a picture in whole grey levels. Eq. 13."""
    },
    "by level": {
        level_term: r"""The last step, to grey levels, by the noise alone
            $$ p(x_0 \mid x_1) = \prod_i \frac{N(x_1^i / \sqrt{\bar\alpha_1};\, x_0^i, 1 / \mathrm{SNR}_1)}
            {\sum_{\text{levels } v} N(x_1^i / \sqrt{\bar\alpha_1};\, v, 1 / \mathrm{SNR}_1)} $$
            No network is asked: the schedule learns to end where x₁ says its grey level itself. Kingma et al. (2021),
            Variational diffusion models, section 4.1, https://arxiv.org/abs/2107.00630."""
    },
    "points": {
        diffusion_elbo.last_term: r"""The last step, to real numbers
            $$ p(x_0 \mid x_1) = N(x_0;\, \mu(x_1), \sigma_1^2 I) $$
            The bound is then one on a density, and may be below 0. Of pictures this is integrated over grey levels."""
    },
}
"""By what the last step leads to, and how."""
BACK: Equations = {
    samplers.ancestral: r"""A sample: the chain run backwards
        $$ x_{t-1} = \tilde\mu_t(x_t, \hat x_0) + \sigma_t z, \qquad z \sim N(0, I) $$
        T evaluations of the network, or fewer with longer leaps. Algorithm 2.""",
    samplers.ddim: r"""Or without new noise
        $$ x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\; \hat\epsilon + \sigma z $$
        With σ = 0 it solves an ordinary differential equation. Song, Meng & Ermon (2021), eq. 12,
        https://arxiv.org/abs/2010.02502.""",
    samplers.dpm_solver: r"""The same equation, of second order
        $$ x_s &= \tfrac{\sigma_s}{\sigma_t} e^{-\eta^2 h} x_t + \sigma_s \sqrt{1 - e^{-2 \eta^2 h}}\, z \\
        &+ \sqrt{\bar\alpha_s}\, (1 - e^{-(1 + \eta^2) h})\, D, \\
        D &= \hat x_0 + \tfrac{h}{2 h'} (\hat x_0 - \hat x_0') $$
        x̂₀ is extrapolated in λ = ½ log SNR, h = λ_s − λ_t; a prime is the step before. η = 0 is the equation, η = 1 its
        stochastic twin, the reverse SDE. Images are drawn with 0 while log SNR < −2, for where x̂₀ moves most fresh
        noise is what nothing can extrapolate, and then with 1.6. Lu et al. (2022),
        https://arxiv.org/abs/2211.01095.""",
    DDPM.output: r"""Towards a label
        $$ \hat\epsilon = \epsilon_\theta(x_t, t) + w\, (\epsilon_\theta(x_t, t, y) - \epsilon_\theta(x_t, t)) $$
        w > 1 exaggerates what the label changes. Ho & Salimans (2022), eq. 6, https://arxiv.org/abs/2207.12598.""",
}


def theory(moment: Moment) -> None:
    """From the forward process to what is trained, and back from noise to data."""
    T, example = moment.model.T, example_of(moment, key="theory_example")
    share = url_widgets.slider("at t / T, %", 1, 100, 50, key="theory_t", width=300)
    t = max(2, round(share / 100 * T))
    known: dict[str, Any] = dict(seen(numbers, moment, example=example, t=t))
    st.caption(
        f"t = {t:,} of T = {T:,}, one draw of ε, D = {known['D']:.0f} dimensions. Equations are those of Ho, Jain & "
        "Abbeel (2020), Denoising diffusion probabilistic models, https://arxiv.org/abs/2006.11239."
    )
    config = moment.model.config
    known |= {"loss": trained(config)} | ({"gamma": config["gamma"]} if config["weighting"] == "snr" else {})
    known |= {"squared error": known["D"] * known["mse"], "mse / snr": known["mse"] / known["snr"]}
    known |= {"product": known["weight"] * known["squared error"], "L - C": known["L"] - known["constant"]}
    nats = {name: measured(known[name]) for name in ("L_T", "L", "constant", "L - C", "product")}
    show((FORWARD, BOUND, *_of_kind(moment.model), BACK, SCORE), known | nats, NOISED)


def _of_kind(model: DDPM) -> tuple[Equations, ...]:
    """What its terms are, also said of the noise, what is trained, and its last step."""
    by_level = model.config["schedule"] == "learned"
    last = "points" if not model.is_image else "by level" if by_level else "grey levels"
    weighed = WEIGHED["learned" if by_level else model.config["weighting"]]
    return STEP["learned" if model.variance == "learned" else "fixed"], NOISE, weighed, SAID, LAST[last]
