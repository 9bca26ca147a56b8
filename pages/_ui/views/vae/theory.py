"""The ELBO step by step, with one test example's numbers, beside the code that computed them."""

from collections.abc import Callable
from typing import Any

from genmodels import random
from genmodels.instruments.vae import bound as instruments
from genmodels.models.vae import VAE
from genmodels.probability import distributions, priors
from pages._ui.form import url_widgets
from pages._ui.page.theory import equation
from pages._ui.shared.moment import Moment

__all__ = ["theory"]

Law = tuple[str, Callable[..., Any], str]  # equation, code, a sentence

DECODERS: dict[str, Law] = {
    "bernoulli": (
        r"\begin{gathered} \log p(x_i \mid z) = x_i \log \lambda_i + (1 - x_i) \log (1 - \lambda_i) \\"
        r" \log \tfrac{\lambda_i}{1 - \lambda_i} = \eta_i(z) \end{gathered}",
        distributions.bernoulli_log_prob,
        "Pixels are black or white, and the decoder gives their logits η.",
    ),
    "continuous-bernoulli": (
        r"\begin{gathered} \log p(x_i \mid z) = x_i \eta_i(z) - A(\eta_i(z)) \\"
        r" A(\eta) = \log \tfrac{e^\eta - 1}{\eta} \end{gathered}",
        distributions.continuous_bernoulli_log_prob,
        "Pixels are grey, in [0, 1]. Loaiza-Ganem & Cunningham (2019), section 3.",
    ),
    "gaussian": (
        r"\log p(x_i \mid z) = -\tfrac12 \left(\tfrac{(x_i - m_i(z))^2}{\sigma^2} + \log 2 \pi \sigma^2\right)",
        distributions.normal_log_prob,
        "The decoder gives the mean m; σ is one number for all dimensions, fixed or learned.",
    ),
}
"""log p(x | z) of one dimension, by the name of the decoder."""

PRIORS: dict[str, Law] = {
    "normal": (
        r"\log p(z) = -\tfrac12 \sum_j \left(z_j^2 + \log 2 \pi\right)",
        priors.StandardNormal.log_prob,
        "Nothing to learn.",
    ),
    "mixture": (
        r"\log p(z) = \log \sum_k w_k \, N(z; \mu_k, \mathrm{diag}\, \sigma_k^2)",
        priors.MixtureOfGaussians.log_prob,
        "Weights, means and variances are learned.",
    ),
    "vamp": (
        r"\log p(z) = \log \sum_k w_k \, q(z \mid u_k)",
        priors.VampPrior.log_prob,
        "A mixture of the posteriors of learned pseudo-inputs u. Tomczak & Welling (2018), section 3.",
    ),
    "flow": (
        r"\log p(z) = \log N(u; 0, I) + \sum_i s_i",
        priors.FlowPrior.log_prob,
        "u is where the couplings carry z, s their log-scales. Dinh et al. (2017), section 3.2.",
    ),
}
"""log p(z), by the name of the prior."""


def theory(moment: Moment) -> None:
    """From log p(x) to what is computed."""
    model = moment.model
    most = len(moment.data.test) - 1
    example = url_widgets.number("of test example", 0, most, 0, key="theory_example", width=180)
    it = instruments.numbers(model, moment.data, int(example))
    nats = {name: _nats(value, it.get(f"{name} se", 0.0)) for name, value in it.items()}
    equation(
        "What is wanted, and why it cannot be had",
        r"\log p(x) = \log \int p(x \mid z)\, p(z)\, dz",
        VAE.log_joint,
        values={r"\log p(x \mid z)": nats["log p(x|z)"], r"\log p(z)": nats["log p(z)"]},
        about="The integrand is easy, the integral is not. Kingma & Welling (2014), section 2.1. Here and below, z is "
        "one draw from q(z | x).",
    )
    equation(
        "A bound instead, for any q",
        r"\begin{aligned} \log p(x) &= E_q\!\left[\log \tfrac{p(x, z)}{q(z \mid x)}\right]"
        r" + KL(q(z \mid x) \,\|\, p(z \mid x)) \\ &\ge E_q[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z))"
        r" \end{aligned}",
        VAE.elbo,
        values={
            r"E_q[\log p(x \mid z)]": nats["reconstruction"],
            "KL": nats["kl"],
            r"\text{ELBO}": nats["elbo"],
        },
        about=f"The gap is the KL to the true posterior, which is never negative. Eqs. 1–3. Expectations are means of "
        f"{instruments.DRAWS:,} draws of z, ± their standard error. "
        "*Explore → True posterior* draws both where latent space has one or two dimensions.",
    )
    equation(
        "z, so that gradients pass through it",
        r"z = \mu(x) + \sigma(x) \odot \varepsilon, \qquad \varepsilon \sim N(0, I)",
        VAE.draw_z,
        about="The noise does not depend on the parameters, so the sample may be differentiated. Section 2.4.",
    )
    equation(
        "The noise itself comes from a generator that is handed over",
        r"\varepsilon \sim N(0, I)",
        random.randn,
        about="Same seed, same noise: that is why the numbers on this page stand still.",
    )
    latex, code, about = PRIORS[model.config["prior"]]
    equation("How likely z is before x is seen", latex, code, values={r"\log p(z)": nats["log p(z)"]}, about=about)
    _kl(model.config["prior"], it, nats)
    latex, code, about = DECODERS[model.likelihood]
    equation(
        "How well x is explained",
        r"\log p(x \mid z) = \sum_i \log p(x_i \mid z)",
        VAE.log_likelihood,
        values={r"\log p(x \mid z)": nats["log p(x|z)"]},
        about="The dimensions of x are independent once z is known.",
    )
    equation("How well one dimension of it is", latex, code, about=about)
    _objective(model, nats)
    equation(
        "A tighter bound",
        r"\log p(x) \ge E\!\left[\log \tfrac1k \sum_{i=1}^k \tfrac{p(x, z_i)}{q(z_i \mid x)}\right] \ge \text{ELBO}",
        VAE.iwae,
        values={rf"\text{{IWAE}}_{{{instruments.DRAWS}}}": nats["iwae"]},
        about="It rises with k to log p(x). Burda et al. (2016), eq. 8. *Explore → The bound* draws the ladder.",
    )


def _nats(value: float, error: float) -> str:
    """A number with its standard error, where it has one."""
    return rf"{value:.3f}" + (rf" \pm {error:.3f}" if error else "") + r" \text{ nats}"


def _kl(prior: str, it: dict[str, float], nats: dict[str, str]) -> None:
    """KL(q(z | x) ‖ p(z)): in closed form for one prior, by draws for the others."""
    one_draw = {r"\log q(z \mid x) - \log p(z)": _nats(it["log q(z|x)"] - it["log p(z)"], 0.0)}
    if prior == "normal":
        equation(
            "How far q is from the prior",
            r"KL = \tfrac12 \sum_j \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right)",
            distributions.kl_to_standard_normal,
            values={"KL": nats["kl"]} | one_draw,
            about="In closed form for a normal prior (appendix B); the line below is an estimate of it from one z.",
        )
        return
    equation(
        "How far q is from the prior",
        r"\begin{aligned} KL &= -\tfrac12 \sum_j \left(\log 2 \pi \sigma_j^2 + 1\right) - E_q[\log p(z)] \\"
        r" &\approx \ldots - \tfrac1S \sum_{s=1}^S \log p(z_s), \quad z_s \sim q(z \mid x) \end{aligned}",
        VAE.kl,
        values={"KL": nats["kl"]} | one_draw,
        about=f"The entropy of q is known, the expectation under this prior is not: S = {instruments.DRAWS:,} draws "
        "here, ± their standard error. The line below is an estimate from one z.",
    )


def _objective(model: VAE, nats: dict[str, str]) -> None:
    """What this model minimizes."""
    values = {r"\mathcal L": nats["loss"], r"\beta": f"{model.beta:g}"}
    if model.objective == "iwae":
        latex = (
            r"\mathcal L = -\log \tfrac1k \sum_{i=1}^k p(x \mid z_i)"
            r" \left(\tfrac{p(z_i)}{q(z_i \mid x)}\right)^{\beta}"
        )
        values["k"] = str(model.samples)
        about = "At β = 1 the bound below with its sign turned (the ELBO, where k = 1); at another β it is no bound."
    elif model.free_bits:
        by_dimension = model.config["prior"] == "normal"
        paid = r"\sum_j \max(\lambda, KL_j)" if by_dimension else r"\max(L \lambda, KL)"
        latex = rf"\mathcal L = \beta \, {paid} - E_q[\log p(x \mid z)]"
        values[r"\lambda"] = rf"{model.free_bits:g} \text{{ nats}}"
        about = "The KL of a batch (here of this x) costs nothing below λ nats in each of the L dimensions."
    else:
        latex = r"\mathcal L = \beta \, KL(q(z \mid x) \,\|\, p(z)) - E_q[\log p(x \mid z)]"
        about = "At β = 1 the ELBO with its sign turned; at β < 1 it is no bound on log p(x)."
    about += " Of as many draws of z as a step of the training takes. The curve called elbo always has β = 1."
    equation("All of it, as it is trained", latex, VAE.loss, values=values, about=about)
