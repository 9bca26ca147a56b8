"""The ELBO step by step, with one test example's numbers, beside the code that computed them."""

from genmodels import random
from genmodels.instruments.vae import latent_space as instruments
from genmodels.models.vae import VAE
from genmodels.probability import distributions
from pages._ui.form import url_widgets
from pages._ui.page.theory import equation
from pages._ui.shared.moment import Moment

__all__ = ["theory"]


def theory(moment: Moment) -> None:
    """From log p(x) to what is computed."""
    most = len(moment.data.test) - 1
    example = url_widgets.number("of test example", 0, most, 0, key="theory_example", width=180)
    it = instruments.numbers(moment.model, moment.data, int(example))
    nats = {name: rf"{value:.3f} \text{{ nats}}" for name, value in it.items()}
    equation(
        "What is wanted, and why it cannot be had",
        r"\log p(x) = \log \int p(x \mid z)\, p(z)\, dz",
        VAE.log_joint,
        values={r"\log p(x \mid z)": nats["log p(x|z)"], r"\log p(z)": nats["log p(z)"]},
        about="The integrand is easy, the integral is not. Kingma & Welling (2014), section 2.1.",
    )
    equation(
        "A bound instead, for any q",
        r"\begin{aligned} \log p(x) &= E_q\!\left[\log \tfrac{p(x, z)}{q(z \mid x)}\right]"
        r" + KL(q(z \mid x) \,\|\, p(z \mid x)) \\ &\ge E_q[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z))"
        r" \end{aligned}",
        VAE.elbo,
        values={r"\text{ELBO}": nats["elbo"]},
        about="The gap is the KL to the true posterior, which is never negative. Eqs. 1–3. "
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
    equation(
        "How far q is from the prior",
        r"KL = \tfrac12 \sum_j \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right)",
        distributions.kl_to_standard_normal,
        values={"KL": nats["kl"], r"\log q(z \mid x) - \log p(z)": f"{it['log q(z|x)'] - it['log p(z)']:.3f}"},
        about="In closed form for a normal prior (appendix B); the line below is the same from one draw of z.",
    )
    equation(
        "How well x is explained",
        r"\log p(x \mid z) = \sum_i x_i \log \lambda_i + (1 - x_i) \log (1 - \lambda_i)",
        VAE.log_likelihood,
        values={r"\log p(x \mid z)": nats["log p(x|z)"]},
        about="For binary pixels. Other decoders put their own density in the same place.",
    )
    equation(
        "All of it, as it is trained",
        r"\mathcal L = \beta \, KL(q(z \mid x) \,\|\, p(z)) - E_q[\log p(x \mid z)]",
        VAE.loss,
        values={r"\text{ELBO}": rf"{nats['log p(x|z)']} - {nats['kl']}", r"": f"= {nats['elbo']}"},
        about="β = 1 is the ELBO. The curve called elbo always has β = 1, so that runs compare.",
    )
    equation(
        "A tighter bound",
        r"\log p(x) \ge E\!\left[\log \tfrac1k \sum_{i=1}^k \tfrac{p(x, z_i)}{q(z_i \mid x)}\right] \ge \text{ELBO}",
        VAE.iwae,
        about="It rises with k to log p(x). Burda et al. (2016), eq. 8. *Explore → The bound* draws the ladder.",
    )
