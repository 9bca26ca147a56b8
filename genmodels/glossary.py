"""The words of the field, once each: what tooltips and the glossary's page say, and what a hyperparameter is called."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["GLOSSARY", "LABELS", "Term", "explained", "label"]


@dataclass(frozen=True)
class Term:
    """A word.

    Attributes:
        name: As the field writes it.
        meaning: One or two sentences, for somebody who meets it for the first time.
        notation: As the sources write it, LaTeX; "" where it has none.
        source: Where it comes from, with the address.
        settings: The hyperparameters that it explains.
    """

    name: str
    meaning: str
    notation: str = ""
    source: str = ""
    settings: tuple[str, ...] = ()


_VAE = "Kingma & Welling (2014), https://arxiv.org/abs/1312.6114"
_GAN = "Goodfellow et al. (2014), https://arxiv.org/abs/1406.2661"
_WGAN = "Arjovsky et al. (2017), https://arxiv.org/abs/1701.07875"
_GP = "Gulrajani et al. (2017), https://arxiv.org/abs/1704.00028"
_DDPM = "Ho et al. (2020), https://arxiv.org/abs/2006.11239"
_IDDPM = "Nichol & Dhariwal (2021), https://arxiv.org/abs/2102.09672"

GLOSSARY: tuple[Term, ...] = (
    Term(
        "Adam",
        "The optimizer: each weight takes steps of about the learning rate, in the direction of its averaged gradient. "
        "β₁ says over how many steps the gradient is averaged.",
        r"\beta_1",
        "Kingma & Ba (2015), https://arxiv.org/abs/1412.6980",
        ("beta1",),
    ),
    Term(
        "Aggregate posterior",
        "The codes of all data together: where the encoder puts what it is shown. Samples are good where the prior "
        "lies over it.",
        r"q(z) = E_{x \sim p}[q(z \mid x)]",
        "Tomczak & Welling (2018), https://arxiv.org/abs/1705.07120",
    ),
    Term(
        "Critic",
        "The network of a WGAN that gives each example a score, as high on data and as low on samples as it may while "
        "it stays Lipschitz. Not a probability: its difference is a distance.",
        r"f",
        _WGAN,
        ("n_critic",),
    ),
    Term(
        "DDIM",
        "A way of sampling a diffusion model in few steps: with randomness η = 0 the same noise always becomes the "
        "same sample.",
        r"\eta",
        "Song, Meng & Ermon (2021), https://arxiv.org/abs/2010.02502",
        ("eta",),
    ),
    Term("Decoder", "The network that turns a code into an example.", r"p(x \mid z)", _VAE, ("decoder", "sigma")),
    Term(
        "Diffusion model",
        "Data are turned into noise in T small steps; a network learns the way back.",
        r"x_0, x_1, \dots, x_T",
        _DDPM,
        ("T",),
    ),
    Term(
        "Discriminator",
        "The network of a GAN that says how likely an example is to be data and not a sample.",
        r"D(x)",
        _GAN,
        ("d_steps",),
    ),
    Term(
        "ELBO",
        "Evidence lower bound: reconstruction minus KL. It lies below log p(x) by as much as the encoder's guess of "
        "the code is wrong.",
        r"E_{q(z \mid x)}[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z)) \le \log p(x)",
        _VAE,
        ("objective",),
    ),
    Term(
        "EM",
        "Expectation maximization: find the posterior of the codes, then the parameters that suit it best, and again. "
        "The likelihood of the data never falls.",
        r"F(q, \theta) \le \log p(x)",
        "Dempster, Laird & Rubin (1977), https://doi.org/10.1111/j.2517-6161.1977.tb01600.x",
        ("learn",),
    ),
    Term("Encoder", "The network that turns an example into a code, or a cloud of codes.", r"q(z \mid x)", _VAE),
    Term("Epoch", "One pass over the training set.", "", "", ("epochs",)),
    Term(
        "FID",
        "Fréchet distance between features of samples and of data; 0 where both have the same mean and covariance. "
        "Here the features are those of our own classifier, so that no value can be compared with a paper's.",
        r"\|\mu_p - \mu_q\|^2 + \mathrm{tr}(\Sigma_p + \Sigma_q - 2 (\Sigma_p \Sigma_q)^{1/2})",
        "Heusel et al. (2017), https://arxiv.org/abs/1706.08500",
    ),
    Term(
        "Free bits",
        "So much of the KL of each latent dimension costs nothing, which keeps dimensions in use.",
        r"\lambda",
        "Kingma et al. (2016), https://arxiv.org/abs/1606.04934",
        ("free_bits",),
    ),
    Term("Generator", "The network that turns noise into an example.", r"G(z)", _GAN),
    Term(
        "Gradient clipping",
        "A gradient that is longer than a limit is shortened to it, so that one bad batch does not spoil the weights.",
        "",
        "",
        ("clip_norm",),
    ),
    Term(
        "Gradient penalty",
        "A term of the critic's loss that pulls its slope towards 1 between data and samples, in place of clipped "
        "weights.",
        r"\lambda E[(\|\nabla f(\hat x)\| - 1)^2]",
        _GP,
        ("penalty", "penalty_weight"),
    ),
    Term(
        "Guidance",
        "A diffusion model that learned with and without labels is pushed beyond what the label asks for: clearer "
        "samples, less variety.",
        r"w",
        "Ho & Salimans (2022), https://arxiv.org/abs/2207.12598",
        ("label_dropout",),
    ),
    Term(
        "IWAE",
        "A tighter bound on log p(x), from k codes for each example, each weighted by its importance.",
        r"E \log \tfrac1k \sum_{i=1}^k p(x, z_i) / q(z_i \mid x)",
        "Burda et al. (2016), https://arxiv.org/abs/1509.00519",
        ("samples",),
    ),
    Term(
        "KL divergence",
        "How many nats it costs to believe q where p holds; 0 only where they are the same.",
        r"KL(p \,\|\, q) = E_p[\log p - \log q]",
        "",
        ("kl_samples", "estimator"),
    ),
    Term(
        "Latent code",
        "A few numbers that stand for an example: what the decoder or generator starts from.",
        r"z",
        _VAE,
        ("latent_dim",),
    ),
    Term(
        "Lipschitz",
        "A function whose slope is nowhere above 1. Only among those is the largest difference of means a distance.",
        r"\|f\|_L \le 1",
        _WGAN,
        ("clip",),
    ),
    Term(
        "Mode collapse",
        "A generator that makes some kinds of example only, and leaves out others.",
        "",
        _GAN,
    ),
    Term("Nat", "A unit of information: log 2 nats are one bit.", r"1 \text{ bit} = 0.693 \text{ nats}"),
    Term(
        "Noise schedule",
        "How fast data become noise: how much of the example is left at each step.",
        r"\bar\alpha_t",
        _IDDPM,
        ("schedule", "knots"),
    ),
    Term(
        "Posterior collapse",
        "The encoder says the same whatever it is shown; the decoder does without the code.",
        r"q(z \mid x) = p(z)",
        "Bowman et al. (2016), https://arxiv.org/abs/1511.06349",
        ("anneal",),
    ),
    Term(
        "Prior",
        "Where codes are drawn from to make new examples. It may be a fixed Gaussian, or learned.",
        r"p(z)",
        _VAE,
        ("prior", "components"),
    ),
    Term(
        "Score",
        "The direction in which a density rises fastest. A diffusion model's predicted noise is minus the score, "
        "scaled.",
        r"\nabla_x \log p_t(x)",
        "Song et al. (2021), https://arxiv.org/abs/2011.13456",
    ),
    Term(
        "Spectral normalisation",
        "Every weight matrix is divided by its largest singular value, which bounds the slope of the whole network.",
        r"W / \sigma(W)",
        "Miyato et al. (2018), https://arxiv.org/abs/1802.05957",
        ("spectral",),
    ),
    Term(
        "v-prediction",
        "The network says neither the noise nor the data but a mixture of both, which is as hard at every step.",
        r"v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0",
        "Salimans & Ho (2022), https://arxiv.org/abs/2202.00512",
        ("predict",),
    ),
    Term(
        "VampPrior",
        "A prior that is the mixture of the encoder's answers to a few learned pseudo-inputs.",
        r"p(z) = \sum_k w_k\, q(z \mid u_k)",
        "Tomczak & Welling (2018), https://arxiv.org/abs/1705.07120",
    ),
    Term(
        "Wasserstein distance",
        "How far, on average, samples must be carried to become the data, by the best plan there is.",
        r"W(p, q) = \sup_{\|f\|_L \le 1} E_p[f] - E_q[f]",
        _WGAN,
    ),
    Term(
        "Weight averaging",
        "What is shown and sampled is a moving average of the weights over the last steps: calmer, and mostly better.",
        r"\theta_{\text{EMA}}",
        "",
        ("ema",),
    ),
    Term(
        "β-VAE",
        "A VAE whose KL is weighted by β: above 1 the codes become simpler and the pictures blurrier.",
        r"\beta",
        "Higgins et al. (2017), https://openreview.net/forum?id=Sy2fzU9gl",
        ("beta",),
    ),
)
"""In alphabetical order."""

LABELS: Mapping[str, str] = {
    "latent_dim": "Latent dimensions",
    "learn": "Learned by",
    "hidden": "Hidden units",
    "depth": "Hidden layers",
    "decoder": "Decoder p(x | z)",
    "sigma": "Decoder's σ",
    "q_sigma": "Encoder's σ",
    "prior": "Prior p(z)",
    "beta": "KL weight β",
    "anneal": "KL warm-up",
    "free_bits": "Free nats",
    "estimator": "KL estimator",
    "samples": "Samples of z",
    "kl_samples": "Samples for the KL",
    "binarize": "Binarisation",
    "T": "Diffusion steps T",
    "schedule": "Noise schedule",
    "knots": "Knots (log-SNR)",
    "predict": "Network predicts",
    "variance": "Reverse variance",
    "sigma_data": "Data's σ",
    "times": "Times in training",
    "ln_mean": "Mean of ln ς",
    "ln_std": "Spread of ln ς",
    "fourier": "Fine sines",
    "stride": "Langevin step",
    "repeats": "Langevin steps at a level",
    "weighting": "Loss weighting",
    "gamma": "SNR limit γ",
    "classes": "Condition on class",
    "width": "Channels",
    "levels": "Resolutions",
    "patch": "Patch size",
    "widths": "Channels by grid",
    "attends": "Attention by grid",
    "head_dim": "Channels of a head",
    "groups": "Normalisation groups",
    "d_steps": "Discriminator updates per generator update",
    "n_critic": "Critic updates per generator update",
    "spectral": "Spectral normalisation",
    "beta1": "Adam β₁",
    "penalty": "Lipschitz constraint",
    "penalty_weight": "Penalty weight λ",
    "clip": "Weight limit c",
    "generator_lr": "Generator's share of the learning rate",
    "stochastic": "Stochastic encoder",
    "lr": "Learning rate",
    "warmup": "Learning-rate warm-up",
    "decay": "Learning-rate decay",
    "ema": "Weight averaging",
    "clip_norm": "Gradient clipping",
    "compile": "Compile first",
    "eta": "Randomness η",
    "draw": "Sample pixels instead of showing their mean",
    "guidance": "Guidance w",
    "spacing": "Spacing of the steps",
}
"""What a hyperparameter is called, where its name in the code is not what the field says."""


def label(name: str) -> str:
    """What a hyperparameter is called on a page.

    >>> label("lr"), label("batch_size"), label("components")
    ('Learning rate', 'Batch size', 'Components')
    """
    return LABELS.get(name) or name[:1].upper() + name[1:].replace("_", " ")


def explained(name: str) -> str:
    """What the glossary says of a hyperparameter; "" where it says nothing.

    >>> explained("ema")[:24], explained("seed")
    ('Weight averaging: What i', '')
    """
    return next((f"{term.name}: {term.meaning}" for term in GLOSSARY if name in term.settings), "")
