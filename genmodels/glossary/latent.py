"""Words of models with a latent code: autoencoders, the VAE, ladders of them, and the VQ-VAE."""

from genmodels.glossary.term import Term

__all__ = ["LATENT"]

_VAE = "Kingma & Welling (2014), https://arxiv.org/abs/1312.6114"
_LADDER = "Sønderby et al. (2016), https://arxiv.org/abs/1602.02282"
_VQ = "Van den Oord, Vinyals & Kavukcuoglu (2017), https://arxiv.org/abs/1711.00937"

LATENT = (
    Term(
        "Aggregate posterior",
        "The codes of all data together: where the encoder puts what it is shown. Samples are good where the prior "
        "lies over it.",
        r"q(z) = E_{x \sim p}[q(z \mid x)]",
        "Tomczak & Welling (2018), https://arxiv.org/abs/1705.07120",
    ),
    Term(
        "Amortized inference",
        "One network guesses the posterior of every example, in place of a search for each; what its guesses lose is "
        "the amortization gap.",
        r"q_\phi(z \mid x)",
        _VAE,
    ),
    Term(
        "Autoencoder",
        "An encoder and a decoder that learn to give back what they are shown; nothing says where codes lie, so that "
        "there is nothing to sample from.",
        r"x \approx g(f(x))",
        "Hinton & Salakhutdinov (2006), https://doi.org/10.1126/science.1127647",
        ("error",),
    ),
    Term(
        "Binarisation",
        "Grey pixels become black or white, by a threshold, or by a coin that is thrown anew each time with the grey "
        "level as its chance.",
        "",
        "Salakhutdinov & Murray (2008), https://doi.org/10.1145/1390156.1390266",
        ("binarize",),
    ),
    Term(
        "Codebook",
        "The K vectors of a VQ-VAE: the nearest of them takes the place of whatever the encoder says, and its number "
        "is the code.",
        r"k = \arg\min_j \|z_e - e_j\|",
        _VQ,
        ("codes", "code_dim"),
    ),
    Term(
        "Codebook as a moving average",
        "Each vector follows the mean of what was lately encoded as it: k-means, a batch at a time. One that is "
        "seldom used begins anew at something encoded.",
        r"e_k = m_k / N_k",
        _VQ,
        ("codebook=ema", "codebook_decay", "restart"),
    ),
    Term(
        "Commitment",
        "A term of the loss that draws the encoder to the vectors it is rounded to, so that it does not run away from "
        "them.",
        r"\beta \|z_e - \mathrm{sg}[e_k]\|^2",
        _VQ,
        ("commitment",),
    ),
    Term(
        "Continuous Bernoulli",
        "The Bernoulli law stretched over all grey levels from 0 to 1, with the constant that makes it a density.",
        r"C(\lambda)\, \lambda^x (1 - \lambda)^{1 - x}",
        "Loaiza-Ganem & Cunningham (2019), https://arxiv.org/abs/1907.06845",
        ("decoder=continuous-bernoulli",),
    ),
    Term("Decoder", "The network that turns a code into an example.", r"p(x \mid z)", _VAE, ("decoder",)),
    Term(
        "ELBO",
        "Evidence lower bound: reconstruction minus KL. It lies below log p(x) by as much as the encoder's guess of "
        "the code is wrong.",
        r"E_{q(z \mid x)}[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z)) \le \log p(x)",
        _VAE,
        ("objective=elbo",),
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
    Term(
        "Fixed-width posterior",
        "q(z | x) has one width for all examples, narrower than the prior: then the KL cannot come to 0, and the code "
        "is used.",
        r"q(z \mid x) = N(\mu(x), \sigma^2 I)",
        "Razavi et al. (2019), https://arxiv.org/abs/1901.03416",
        ("q_sigma",),
    ),
    Term(
        "Free bits",
        "So much of the KL costs nothing, which keeps the code in use: of each latent dimension (of all together where "
        "the prior does not factorize), or in a ladder of each layer.",
        r"\lambda",
        "Kingma et al. (2016), https://arxiv.org/abs/1606.04934",
        ("free_bits",),
    ),
    Term(
        "IWAE",
        "A tighter bound on log p(x), from k codes for each example, each weighted by its importance.",
        r"E \log \tfrac1k \sum_{i=1}^k p(x, z_i) / q(z_i \mid x)",
        "Burda et al. (2016), https://arxiv.org/abs/1509.00519",
        ("samples", "objective=iwae"),
    ),
    Term(
        "Ladder VAE",
        "A VAE with several layers of latent codes above each other: the upper ones say what an example is, the lower "
        "ones how it looks.",
        r"p(z_L) \prod_l p(z_l \mid z_{l+1})\; p(x \mid z_1)",
        _LADDER,
        ("layers", "latent_channels"),
    ),
    Term(
        "Latent code",
        "A few numbers that stand for an example: what the decoder or generator starts from.",
        r"z",
        _VAE,
        ("latent_dim",),
    ),
    Term(
        "MAP",
        "Maximum a posteriori: parameters that are likely given the data and a prior on themselves. Without that "
        "prior it is maximum likelihood.",
        r"\max_\theta \log p(x \mid \theta) + \log p(\theta)",
        "",
        ("prior_weight",),
    ),
    Term(
        "Mixture",
        "A density that is a weighted sum of simple ones, its components.",
        r"p(x) = \sum_k \pi_k\, p_k(x)",
        "",
        ("components", "covariance"),
    ),
    Term(
        "Perplexity of the codebook",
        "Of how many codes an even use would be as uncertain as this one is: K at best, 1 where a single code is left.",
        r"\exp\left(-\sum_k p_k \log p_k\right)",
        _VQ,
    ),
    Term(
        "Posterior collapse",
        "The encoder says the same whatever it is shown; the decoder does without the code.",
        r"q(z \mid x) = p(z)",
        "Bowman et al. (2016), https://arxiv.org/abs/1511.06349",
        ("anneal",),
    ),
    Term(
        "PPCA",
        "Probabilistic principal component analysis: a linear decoder and the same noise in every dimension. With "
        "noise of its own for each it is factor analysis.",
        r"x = W z + \mu + \epsilon",
        "Tipping & Bishop (1999), https://doi.org/10.1111/1467-9868.00196",
        ("noise",),
    ),
    Term(
        "Prior",
        "Where codes are drawn from to make new examples. It may be a fixed Gaussian, or learned.",
        r"p(z)",
        _VAE,
        ("prior",),
    ),
    Term(
        "Prior over codes",
        "Which codes occur beside which: an autoregressive model of the map of codes, from which a VQ-VAE samples.",
        r"p(k) = \prod_i p(k_i \mid k_{<i})",
        _VQ,
        ("prior_channels", "prior_depth", "uniform", "settle"),
    ),
    Term(
        "Reparametrization",
        "A draw is written as a fixed function of its parameters and of noise that has none, so that a gradient "
        "passes through it.",
        r"z = \mu + \sigma \epsilon, \quad \epsilon \sim N(0, I)",
        _VAE,
        ("gradient=reparametrization",),
    ),
    Term(
        "Score function estimator",
        "A gradient of an expectation that needs no gradient of what is averaged; unbiased, but it varies much. A "
        "baseline that is subtracted calms it.",
        r"\nabla E_q[f] = E_q[f\, \nabla \log q]",
        "Williams (1992), https://doi.org/10.1007/BF00992696",
        ("gradient=score", "gradient=score-baseline"),
    ),
    Term(
        "Skip-VAE",
        "A VAE whose decoder sees the code in every layer, which makes it harder to do without.",
        "",
        "Dieng et al. (2019), https://arxiv.org/abs/1807.04863",
        ("network=skip",),
    ),
    Term(
        "Sparse code",
        "Few of its numbers are far from 0 for any one example: a penalty on their absolute sum asks for that.",
        r"\lambda \|z\|_1",
        "Olshausen & Field (1996), https://doi.org/10.1038/381607a0",
        ("sparsity",),
    ),
    Term(
        "Straight-through",
        "Rounding has no gradient; the decoder's is handed to the encoder as if nothing had been rounded.",
        r"z_q = z_e + \mathrm{sg}[e_k - z_e]",
        "Bengio, Léonard & Courville (2013), https://arxiv.org/abs/1308.3432",
        ("codebook=straight-through",),
    ),
    Term(
        "Temperature",
        "How bold samples are: below 1 the laws that are drawn from become narrower or surer, and what is drawn "
        "commoner. Autoregressive laws, also of codes, are raised to the power 1/τ; of the Gaussians of a flow or "
        "a ladder τ multiplies σ, which is the power 1/τ².",
        r"p^{1/\tau}, \quad N(\mu, \tau^2 \sigma^2)",
        "",
        ("temperature",),
    ),
    Term(
        "Top-down inference",
        "The encoder climbs from x to the top once; codes are then guessed from the top down, each from what x says "
        "and from what the codes above expect of it.",
        r"q(z_l \mid x, z_{l+1}) \propto \hat q(z_l \mid x)\, p(z_l \mid z_{l+1})",
        _LADDER,
        ("merge",),
    ),
    Term(
        "VampPrior",
        "A prior that is the mixture of the encoder's answers to a few learned pseudo-inputs.",
        r"p(z) = \sum_k w_k\, q(z \mid u_k)",
        "Tomczak & Welling (2018), https://arxiv.org/abs/1705.07120",
        ("prior=vamp",),
    ),
    Term(
        "β-VAE",
        "A VAE whose KL is weighted by β: above 1 the codes become simpler and the pictures blurrier.",
        r"\beta",
        "Higgins et al. (2017), https://openreview.net/forum?id=Sy2fzU9gl",
        ("beta",),
    ),
)
