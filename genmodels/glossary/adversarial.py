"""Words of games between two networks: GAN, WGAN and BiGAN."""

from genmodels.glossary.term import Term

__all__ = ["ADVERSARIAL"]

_GAN = "Goodfellow et al. (2014), https://arxiv.org/abs/1406.2661"
_WGAN = "Arjovsky et al. (2017), https://arxiv.org/abs/1701.07875"
_GP = "Gulrajani et al. (2017), https://arxiv.org/abs/1704.00028"

ADVERSARIAL = (
    Term(
        "BiGAN",
        "A GAN that also encodes: the discriminator sees an example and its code together. Where the encoder draws "
        "the code it is called ALI.",
        r"D(x, z)",
        "Donahue et al. (2017), https://arxiv.org/abs/1605.09782",
        ("stochastic",),
    ),
    Term(
        "Critic",
        "The network of a WGAN that gives each example a score, as high on data and as low on samples as it may while "
        "it stays Lipschitz. Not a probability: its difference is a distance.",
        r"f",
        _WGAN,
        ("n_critic", "critic_decay", "generator_lr"),
    ),
    Term(
        "Discriminator",
        "The network of a GAN that says how likely an example is to be data and not a sample.",
        r"D(x)",
        _GAN,
        ("d_steps",),
    ),
    Term("Generator", "The network that turns noise into an example.", r"G(z)", _GAN),
    Term(
        "Gradient penalty",
        "A term of the critic's loss that pulls its slope towards 1 between data and samples, in place of clipped "
        "weights.",
        r"\lambda E[(\|\nabla f(\hat x)\| - 1)^2]",
        _GP,
        ("penalty", "penalty_weight"),
    ),
    Term(
        "Least squares GAN",
        "Scores are drawn to 1 and 0 by their squared error, which has a slope also where the discriminator is sure.",
        r"\tfrac12 E[(D(x) - 1)^2] + \tfrac12 E[D(G(z))^2]",
        "Mao et al. (2017), https://arxiv.org/abs/1611.04076",
        ("objective=least-squares",),
    ),
    Term(
        "Lipschitz",
        "A function whose slope is nowhere above 1. Only among those is the largest difference of means a distance.",
        r"\|f\|_L \le 1",
        _WGAN,
        ("clip",),
    ),
    Term(
        "Minimax",
        "The game as it is defined: what one player makes large, the other makes small. Its generator learns nothing "
        "where the discriminator is sure.",
        r"\min_G \max_D E[\log D(x)] + E[\log(1 - D(G(z)))]",
        _GAN,
        ("objective=minimax",),
    ),
    Term(
        "Mode collapse",
        "A generator that makes some kinds of example only, and leaves out others.",
        "",
        _GAN,
    ),
    Term(
        "Non-saturating loss",
        "The generator makes log D(G(z)) large instead of log(1 − D(G(z))) small: the same aim, with a slope where it "
        "is needed.",
        r"-E[\log D(G(z))]",
        _GAN,
        ("objective=non-saturating",),
    ),
    Term(
        "R1 and R2",
        "Penalties on the squared slope of the discriminator's score s (not of its probability D) at data (R1) and at "
        "samples (R2): with them the game comes to rest.",
        r"\tfrac{\gamma}{2} E \|\nabla_x s(x)\|^2",
        "Mescheder, Geiger & Nowozin (2018), https://arxiv.org/abs/1801.04406",
        ("r1", "r2"),
    ),
    Term(
        "Relativistic",
        "The discriminator tells pairs apart: by how much more a datum looks like data than a sample does. No "
        "generator can be ignored.",
        r"E[\log(1 + e^{s(G(z)) - s(x)})]",
        "Jolicoeur-Martineau (2019), https://arxiv.org/abs/1807.00734",
        ("objective=relativistic",),
    ),
    Term(
        "Spectral normalisation",
        "Every weight matrix is divided by its largest singular value, which bounds the slope of the whole network.",
        r"W / \sigma(W)",
        "Miyato et al. (2018), https://arxiv.org/abs/1802.05957",
        ("spectral", "penalty=spectral"),
    ),
    Term(
        "Wasserstein distance",
        "How far, on average, samples must be carried to become the data, by the best plan there is.",
        r"W(p, q) = \sup_{\|f\|_L \le 1} E_p[f] - E_q[f]",
        _WGAN,
    ),
)
