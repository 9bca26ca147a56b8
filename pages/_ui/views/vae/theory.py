"""The ELBO step by step, with one test example's numbers, beside the code that computed them."""

from collections.abc import Mapping
from typing import Any

from genmodels import figures
from genmodels.instruments.vae.bound import DRAWS, kl_by_distance, numbers
from genmodels.models.latent.observation import Observation
from genmodels.models.vae import VAE
from genmodels.palette import CLASSES
from genmodels.probability import distributions
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.text import number
from pages._ui.page.theory import Equations, Picture, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import example_of

__all__ = ["raised", "theory"]

LINES = figures.RUNS[6], CLASSES[4], CLASSES[3]  # of curves: none of them is the colour of a symbol
BOUND: Equations = {
    VAE.log_joint: r"""What is wanted, and why it cannot be had
        $$ \log p(x) = \log \int p(x \mid z)\, p(z)\, dz $$
        $$ \log p(x \mid z) = <log p(x|z)> \\ \log p(z) = <log p(z)> $$
        The integrand is easy, the integral is not. Kingma & Welling (2014), section 2.1. Here and below, z is one draw
        from q(z | x).""",
    VAE.elbo: r"""A bound instead, for any q
        $$ \log p(x) &= E_q\!\left[\log \tfrac{p(x, z)}{q(z \mid x)}\right]
        + KL(q(z \mid x) \,\|\, p(z \mid x)) \\ &\ge E_q[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z)) $$
        $$ E_q[\log p(x \mid z)] = <reconstruction> \\ KL = <kl> \\ \text{ELBO} = <elbo> $$
        The gap is the KL to the true posterior, which is never negative, and of a diffusion as the prior also what its
        own bound on log p(z) leaves out. Eqs. 1–3. Expectations are means of <draws>
        draws of z, ± their standard error. *Explore → True posterior* draws both where latent space has one or two
        dimensions.""",
    VAE.draw_z: r"""z, so that gradients pass through it
        $$ z = \mu(x) + \sigma(x) \odot \varepsilon, \qquad \varepsilon \sim N(0, I) $$
        The noise does not depend on the parameters, so the sample may be differentiated. Section 2.4. It comes from a
        generator that is handed over: same seed, same noise. That is why the numbers on this page stand still.""",
}

PRIORS = {
    "normal": r"""How likely z is before x is seen
        $$ \log p(z) = -\tfrac12 \sum_j \left(z_j^2 + \log 2 \pi\right) $$
        $$ \log p(z) = <log p(z)> $$
        Nothing to learn.""",
    "mixture": r"""How likely z is before x is seen
        $$ \log p(z) = \log \sum_k w_k \, N(z; \mu_k, \mathrm{diag}\, \sigma_k^2) $$
        $$ \log p(z) = <log p(z)> $$
        Weights, means and variances are learned.""",
    "vamp": r"""How likely z is before x is seen
        $$ \log p(z) = \log \sum_k w_k \, q(z \mid u_k) $$
        $$ \log p(z) = <log p(z)> $$
        A mixture of the posteriors of learned pseudo-inputs u. Tomczak & Welling (2018), section 3.""",
    "flow": r"""How likely z is before x is seen
        $$ \log p(z) = \log N(u; 0, I) + \sum_i s_i $$
        $$ \log p(z) = <log p(z)> $$
        u is where the couplings carry z, s their log-scales. Dinh et al. (2017), section 3.2.""",
    "diffusion": r"""How likely z is before x is seen
        $$ \log p(z) = \log N(z_T; 0, I) + \tfrac{L}{2} \log \bar\alpha_T
        + \int_{\varsigma_1}^{\varsigma_T} \varsigma \sqrt{\bar\alpha} \;
        \nabla \cdot \hat\epsilon(z_t, t) \, d \log \varsigma $$
        $$ \log p(z) = <log p(z)> $$
        Noise is carried to codes by the probability-flow equation of a diffusion, and the density with it: exact but
        for the solver's error. Song et al. (2021), eq. 39.""",
}

LEARNED: Equations = {
    DiffusionPrior.bound: r"""What such a prior learns from
        $$ \log p(z) \ge &-KL(q(z_T \mid z) \,\|\, N(0, I)) \\ &- \tfrac{\lambda_1 - \lambda_T}{2}
        E_{t, \epsilon} \|\epsilon - \hat\epsilon(z_t, t)\|^2 \\
        &- \tfrac{L}{2} \log \frac{2 \pi e \, \sigma_1^2}{\alpha_1^2} $$
        The squared error of the noise at random times, as in any diffusion: encoder, decoder and prior learn from it
        together. It is a bound of the reverse process, so the ELBO with it is a bound on a bound; samples and
        log p(z) above are of the probability-flow equation. Kingma et al. (2021), eq. 17; Vahdat et al. (2021).""",
}

KL: Equations = {
    distributions.kl_to_standard_normal: r"""How far q is from the prior
        $$ KL = \tfrac12 \sum_j \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right) $$
        $$ KL = <kl> \\ \log q(z \mid x) - \log p(z) = <kl of one z> $$
        In closed form for a normal prior (appendix B); the line below is an estimate of it from one z.""",
    VAE.kl: r"""How far q is from the prior
        $$ KL &= -\tfrac12 \sum_j \left(\log 2 \pi \sigma_j^2 + 1\right) - E_q[\log p(z)] \\
        &\approx \ldots - \tfrac1S \sum_{s=1}^S \log p(z_s), \quad z_s \sim q(z \mid x) $$
        $$ KL = <kl> \\ \log q(z \mid x) - \log p(z) = <kl of one z> $$
        The entropy of q is known, the expectation under this prior is not: S = <draws> draws here, ± their standard
        error. The line below is an estimate from one z.""",
}

EXPLAINED: Equations = {
    Observation.log_px: r"""How well x is explained
        $$ \log p(x \mid z) = \sum_i \log p(x_i \mid z) $$
        $$ \log p(x \mid z) = <log p(x|z)> $$
        The dimensions of x are independent once z is known.""",
}
DECODERS: Equations = {
    distributions.bernoulli_log_prob: r"""How well one dimension of it is
        $$ \log p(x_i \mid z) = x_i \log \lambda_i + (1 - x_i) \log (1 - \lambda_i) \\
        \log \tfrac{\lambda_i}{1 - \lambda_i} = \eta_i(z) $$
        Pixels are black or white, and the decoder gives their logits η.""",
    distributions.continuous_bernoulli_log_prob: r"""How well one dimension of it is
        $$ \log p(x_i \mid z) = x_i \eta_i(z) - A(\eta_i(z)) \\ A(\eta) = \log \tfrac{e^\eta - 1}{\eta} $$
        Pixels are grey, in [0, 1]. Loaiza-Ganem & Cunningham (2019), section 3.""",
    distributions.normal_log_prob: r"""How well one dimension of it is
        $$ \log p(x_i \mid z) = -\tfrac12 \left(\tfrac{(x_i - m_i(z))^2}{\sigma^2} + \log 2 \pi \sigma^2\right) $$
        The decoder gives the mean m; σ is one number for all dimensions, fixed or learned.""",
}
OF_DECODER = dict(zip(("bernoulli", "continuous-bernoulli", "gaussian"), DECODERS, strict=True))

TRAINED = {
    "iwae": r"""All of it, as it is trained
        $$ \mathcal L = -\log \tfrac1k \sum_{i=1}^k p(x \mid z_i)
        \left(\tfrac{p(z_i)}{q(z_i \mid x)}\right)^{\beta} $$
        $$ \mathcal L = <loss> \\ \beta = <beta> \\ k = <k> $$
        At β = 1 the bound below with its sign turned (ELBO, where k = 1); at another β it is no bound. <trained>""",
    "free bits": r"""All of it, as it is trained
        $$ \mathcal L = \beta \, <paid> - E_q[\log p(x \mid z)] $$
        $$ \mathcal L = <loss> \\ \beta = <beta> \\ \lambda = <lambda> $$
        The KL of a batch (here of this x) costs nothing below λ nats for each of the L dimensions. <trained>""",
    "elbo": r"""All of it, as it is trained
        $$ \mathcal L = \beta \, KL(q(z \mid x) \,\|\, p(z)) - E_q[\log p(x \mid z)] $$
        $$ \mathcal L = <loss> \\ \beta = <beta> $$
        At β = 1 the ELBO with its sign turned; at β < 1 it is no bound on log p(x). <trained>""",
}

TIGHTER: Equations = {
    VAE.iwae: r"""A tighter bound
        $$ \log p(x) \ge E\!\left[\log \tfrac1k \sum_{i=1}^k \tfrac{p(x, z_i)}{q(z_i \mid x)}\right] \ge \text{ELBO} $$
        $$ \text{IWAE}_{<S>} = <iwae> $$
        It rises with k to log p(x). Burda et al. (2016), eq. 8. *Explore → The bound* draws the ladder.""",
}


def raised(arguments: Mapping[str, Any]) -> str:
    """The bound of a VAE, and what one with these hyperparameters raises where that is not the bound itself, LaTeX."""
    rows = [
        r"\log p(x) \;\ge\; \underbrace{E_{q(z \mid x)}[\log p(x \mid z)]}_{\text{reconstruction}}"
        r" - \underbrace{KL(q(z \mid x) \,\|\, p(z))}_{\text{KL}} \;=\; \text{ELBO}"
    ]
    weighed = arguments.get("beta", 1.0) != 1 or arguments.get("anneal")
    if arguments.get("objective") == "iwae":
        ratio = r"\tfrac{p(z_k)}{q(z_k \mid x)}"
        ratio = rf"\big({ratio}\big)^\beta" if weighed else ratio
        rows.append(rf"\text{{raised: }} E\Big[\log \tfrac1K \sum_{{k=1}}^K p(x \mid z_k) {ratio}\Big]")
    elif weighed or arguments.get("free_bits"):
        kl = r"\text{KL}"
        if arguments.get("free_bits"):  # of a prior that does not factorize the dimensions are free together
            normal = arguments.get("prior", "normal") == "normal"
            kl = r"\sum_j \max(\text{KL}_j, \lambda)" if normal else r"\max(\text{KL}, L \lambda)"
        rows.append(r"\text{raised: reconstruction} - " + (r"\beta\, " if weighed else "") + kl)
    return r"\begin{gathered} " + r" \\ ".join(rows) + r" \end{gathered}"


def theory(moment: Moment) -> None:
    """From log p(x) to what is computed."""
    model = moment.model
    terms = seen(numbers, moment, index=example_of(moment, key="theory_example", label="of test example"))
    known = {name: measured(value, terms.get(f"{name} se", 0.0)) for name, value in terms.items()}
    known["kl of one z"] = measured(terms["log q(z|x)"] - terms["log p(z)"])
    known |= {"draws": f"{DRAWS:,}", "S": f"{DRAWS}", "beta": f"{model.beta:g}", "lambda": measured(model.free_bits)}
    known |= {"k": str(model.samples), "paid": r"\max(L \lambda, KL)"}
    known["trained"] = "Of as many draws of z as a step of the training takes. The curve called elbo always has β = 1."
    prior = model.config["prior"]
    if prior == "normal":
        known["paid"] = r"\sum_j \max(\lambda, KL_j)"
    kl = distributions.kl_to_standard_normal if prior == "normal" else VAE.kl
    decoder = OF_DECODER[model.likelihood]
    loss = "free bits" if model.free_bits and model.objective != "iwae" else model.objective
    of_z = {type(model.prior).log_prob: PRIORS[prior], kl: KL[kl]}
    pictures = [_distance()] if prior == "normal" else []
    of_x = {**EXPLAINED, decoder: DECODERS[decoder]}
    learned = LEARNED if prior == "diffusion" else {}
    show((BOUND, of_z, *pictures, of_x, learned, {VAE.loss: TRAINED[loss]}, TIGHTER), known)


def _distance() -> Picture:
    """The KL of one latent dimension over its mean and over its width, with two examples of an assignment."""
    told = kl_by_distance()
    names = {"mean": "μ = d, σ = 1", "wide": "σ = 1 + d, μ = 0", "narrow": "σ = 1/(1 + d), μ = 0"}
    lines = [figures.Curve(text, told["d"], told[name], LINES[i]) for i, (name, text) in enumerate(names.items())]
    title, x_title = "KL(N(μ, σ²) ‖ N(0, 1))", "distance d from the prior"
    figure = figures.curves(lines, x_title=x_title, y_title="KL, nats", title=title, log_x=True, log_y=True)
    style = {"color": figures.NEUTRAL, "size": 9, "symbol": "diamond"}
    figure.add_scatter(x=told["examples_d"], y=told["examples"], mode="markers", name="μ = d, σ = 1 + d", marker=style)
    big, small = (number(float(kl), 6) for kl in told["examples"])
    return Picture(
        figure,
        "The KL of one dimension is 0 at the prior alone. Near it, it is ½ d² for a mean and d² for a width, too wide "
        "or too narrow; far off it is ½ d² for a mean or a wide q, but log d − ½ for a narrow one. The marks are the "
        f"two examples (σ, μ) of Assignment 3, question 1.5: (1 + 10⁵, 10⁵) with {big} nats and (1 + 10⁻⁵, 10⁻⁵) with "
        f"{small}.",
        "distance",
    )
