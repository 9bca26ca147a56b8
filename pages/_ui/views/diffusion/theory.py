"""From the bound to the loss in steps, with the numbers of one example, beside the code that computes them."""

import streamlit as st

from genmodels.instruments.diffusion import bound as instruments
from genmodels.models.ddpm import DDPM
from genmodels.probability import diffusion_elbo, samplers
from genmodels.probability.schedules import Schedule
from pages._ui.form import url_widgets
from pages._ui.page.theory import equation, number
from pages._ui.shared.moment import Moment

__all__ = ["theory"]


def theory(moment: Moment) -> None:
    """From the forward process to what is trained, and back from noise to data."""
    most, T = len(moment.data.test) - 1, moment.model.T
    with st.container(horizontal=True, gap="small"):
        example = url_widgets.number("of test example", 0, most, 0, key="theory_example", width=180)
        share = url_widgets.slider("at t / T, %", 1, 100, 50, key="theory_t", width=300)
    t = max(2, round(share / 100 * T))
    it = instruments.numbers(moment.model, moment.data, int(example), t)
    st.caption(
        f"t = {t:,} of T = {T:,}, one draw of ε, D = {it['D']:.0f} dimensions. Equations are those of Ho, Jain & "
        "Abbeel (2020), Denoising diffusion probabilistic models, https://arxiv.org/abs/2006.11239."
    )
    _forward(it)
    _bound(it)
    _loss(it)
    _back()


def _forward(it: dict[str, float]) -> None:
    equation(
        "Noise in one leap",
        r"q(x_t \mid x_0) = N\!\left(\sqrt{\bar\alpha_t}\, x_0,\; (1 - \bar\alpha_t) I\right)",
        Schedule.noised,
        values={
            r"\beta_t": it["beta"],
            r"\bar\alpha_t": it["alpha_bar"],
            r"\mathrm{SNR} = \tfrac{\bar\alpha_t}{1 - \bar\alpha_t}": it["snr"],
            r"\|x_0\|^2 / D": it["|x_0|^2"],
            r"\|x_t\|^2 / D": it["|x_t|^2"],
        },
        about="t steps of a Markov chain are one Gaussian, so training never walks the chain. Eq. 4.",
    )
    equation(
        "The step back, were x₀ known",
        r"\begin{aligned} q(x_{t-1} \mid x_t, x_0) &= N(\tilde\mu_t, \tilde\beta_t I) \\ \tilde\mu_t &= "
        r"\tfrac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\tfrac{\sqrt{\alpha_t} (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t \end{aligned}",
        Schedule.posterior,
        values={r"\tilde\beta_t": it["beta_tilde"], r"\beta_t": it["beta"]},
        about="Bayes' rule for Gaussians. The model takes this step with its guess x̂₀ in place of x₀. Eqs. 6 and 7.",
    )


def _bound(it: dict[str, float]) -> None:
    equation(
        "The bound, term by term",
        r"\begin{aligned} -\log p(x_0) \le\; &\underbrace{KL(q(x_T \mid x_0) \,\|\, p(x_T))}_{L_T} \\ + \sum_{t \ge 2}"
        r"\; &\underbrace{E_q KL(q(x_{t-1} \mid x_t, x_0) \,\|\, p(x_{t-1} \mid x_t))}_{L_{t-1}} \\"
        r" &\underbrace{- E_q \log p(x_0 \mid x_1)}_{L_0} \end{aligned}",
        diffusion_elbo.every_term,
        values={"L_T": rf"{number(it['L_T'])} \text{{ nats}}", "L_{t-1}": rf"{number(it['L'])} \text{{ nats}}"},
        about="The ELBO of a model whose latents are x₁, x₂, … up to T and whose encoder is fixed. Eq. 5.",
    )
    equation(
        "Each term compares two Gaussians",
        r"\begin{aligned} L_{t-1} &= C + \tfrac{1}{2\sigma_t^2} \|\tilde\mu_t(x_t, x_0) - "
        r"\tilde\mu_t(x_t, \hat x_0)\|^2 \\ C &= \tfrac{D}{2}\left(\tfrac{\tilde\beta_t}{\sigma_t^2} - 1 - "
        r"\log \tfrac{\tilde\beta_t}{\sigma_t^2}\right) \end{aligned}",
        diffusion_elbo.step_term,
        values={
            r"\sigma_t^2": it["sigma2"],
            "C": rf"{number(it['constant'])} \text{{ nats}}",
            "L_{t-1} - C": rf"{number(it['L'] - it['constant'])} \text{{ nats}}",
        },
        about="The variance σ² of the model's step is fixed, so C is no network's business. Eq. 8.",
    )


def _loss(it: dict[str, float]) -> None:
    weighted = it["weight"] * it["D"] * it["mse"]
    equation(
        "The same, said of the noise",
        r"L_{t-1} - C = \frac{\beta_t^2}{2\sigma_t^2 \alpha_t (1 - \bar\alpha_t)}"
        r" \|\epsilon - \epsilon_\theta(x_t, t)\|^2",
        Schedule.weight,
        values={
            r"\tfrac{\beta_t^2}{2\sigma_t^2 \alpha_t (1 - \bar\alpha_t)}": it["weight"],
            r"\|\epsilon - \epsilon_\theta\|^2": it["D"] * it["mse"],
            r"\text{product}": rf"{number(weighted)} \text{{ nats}}",
        },
        about="x₀ and ε are affine in each other given xₜ, so the product is the L − C above. Eq. 12.",
    )
    equation(
        "The weight is left out",
        r"L_{\text{simple}} = E_{t, x_0, \epsilon} \|\epsilon - \epsilon_\theta(x_t, t)\|^2",
        DDPM.loss,
        values={
            r"\|\epsilon - \epsilon_\theta\|^2 / D": it["mse"],
            r"\text{its weight in this loss}": it["trained"],
        },
        about="Less weight on small t, whose noise no eye sees: worse likelihood, better pictures. Eq. 14. That is so "
        "of a network that predicts ε; the same loss of v weighs the error of ε by 1/ᾱ, and that of x₀ by (1 − ᾱ)/ᾱ.",
    )
    equation(
        "Noise, data, or v between the two",
        r"\hat x_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t}\, \hat\epsilon}{\sqrt{\bar\alpha_t}}, \qquad "
        r"\|x_0 - \hat x_0\|^2 = \frac{\|\epsilon - \hat\epsilon\|^2}{\mathrm{SNR}}",
        Schedule.to_x_0,
        values={
            r"\|x_0 - \hat x_0\|^2 / D": it["mse of x_0"],
            r"\text{error of } \epsilon \,/\, \mathrm{SNR}": it["mse"] / it["snr"],
        },
        about="A network may say any of them; each says the others. Eq. 15; v: Salimans & Ho (2022), appendix D.",
    )
    equation(
        "The last step, to grey levels",
        r"p(x_0 \mid x_1) = \prod_i \int_{\text{bin of } x_0^i} N(x;\, \mu^i(x_1), \sigma_1^2)\, dx",
        diffusion_elbo.discretized_log_prob,
        about="So that the bound is one on the probability of a picture in whole grey levels. Eq. 13.",
    )


def _back() -> None:
    equation(
        "A sample: the chain run backwards",
        r"x_{t-1} = \tilde\mu_t(x_t, \hat x_0) + \sigma_t z, \qquad z \sim N(0, I)",
        samplers.ancestral,
        about="T evaluations of the network, or fewer with longer leaps. Algorithm 2.",
    )
    equation(
        "Or without new noise",
        r"x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\; \hat\epsilon + \sigma z",
        samplers.ddim,
        about="With σ = 0 it solves an ordinary differential equation. Song, Meng & Ermon (2021), eq. 12, "
        "https://arxiv.org/abs/2010.02502.",
    )
    equation(
        "The same equation, of second order",
        r"\begin{aligned} x_s &= \tfrac{\sigma_s}{\sigma_t} e^{-\eta^2 h} x_t "
        r"+ \sigma_s \sqrt{1 - e^{-2 \eta^2 h}}\, z \\ &+ \sqrt{\bar\alpha_s}\, (1 - e^{-(1 + \eta^2) h})\, D, \\ "
        r"D &= \hat x_0 + \tfrac{h}{2 h'} (\hat x_0 - \hat x_0') \end{aligned}",
        samplers.dpm_solver,
        about="x̂₀ is extrapolated in λ = ½ log SNR, h = λ_s − λ_t; a prime is the step before. η = 0 is the equation, "
        "η = 1 its stochastic twin, the reverse SDE. Lu et al. (2022), https://arxiv.org/abs/2211.01095.",
    )
    equation(
        "Towards a label",
        r"\hat\epsilon = \epsilon_\theta(x_t, t) + w\, (\epsilon_\theta(x_t, t, y) - \epsilon_\theta(x_t, t))",
        DDPM.output,
        about="w > 1 exaggerates what the label changes. Ho & Salimans (2022), eq. 6, https://arxiv.org/abs/2207.12598.",
    )
