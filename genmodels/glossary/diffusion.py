"""Words of diffusion models and of scores, their networks included."""

from genmodels.glossary.term import Term

__all__ = ["DIFFUSION"]

_DDPM = "Ho et al. (2020), https://arxiv.org/abs/2006.11239"
_IDDPM = "Nichol & Dhariwal (2021), https://arxiv.org/abs/2102.09672"
_EDM = "Karras et al. (2022), https://arxiv.org/abs/2206.00364"
_VDM = "Kingma et al. (2021), https://arxiv.org/abs/2107.00630"
_SDE = "Song et al. (2021), https://arxiv.org/abs/2011.13456"

DIFFUSION = (
    Term(
        "Ancestral sampling",
        "Noise is undone step by step, each step drawn from the chain that the model is: the way the model was "
        "defined, and the slowest.",
        r"x_{t-1} \sim p_\theta(x_{t-1} \mid x_t)",
        _DDPM,
        ("sampler=ancestral",),
    ),
    Term(
        "Attention",
        "Every place of an image looks at all the others and takes over what fits; several heads look for different "
        "things.",
        r"\mathrm{softmax}(Q K^T / \sqrt d)\, V",
        "Vaswani et al. (2017), https://arxiv.org/abs/1706.03762",
        ("attention", "attends", "head_dim"),
    ),
    Term(
        "DDIM",
        "A way of sampling a diffusion model in few steps: with randomness η = 0 the same noise always becomes the "
        "same sample.",
        r"\eta",
        "Song, Meng & Ermon (2021), https://arxiv.org/abs/2010.02502",
        ("eta", "sampler=ddim"),
    ),
    Term(
        "Denoising score matching",
        "The score of noised data is learned from what the noise was: on average both are the same.",
        r"E \|s_\theta(x_t, t) + \epsilon / \sigma_t\|^2",
        "Vincent (2011), https://doi.org/10.1162/NECO_a_00142",
        ("predict=score",),
    ),
    Term(
        "Diffusion model",
        "Data are turned into noise in T small steps; a network learns the way back.",
        r"x_0, x_1, \dots, x_T",
        _DDPM,
        ("T",),
    ),
    Term(
        "DPM-Solver",
        "Samples in few steps: the guess of the data is extrapolated from the last two, and the rest of the equation "
        "is solved exactly. The SDE form renews the noise, once the outlines stand.",
        "",
        "Lu et al. (2022), https://arxiv.org/abs/2211.01095",
        ("sampler=dpm-solver", "sampler=sde-dpm-solver"),
    ),
    Term(
        "Dropout",
        "Features are set to 0 at random in training, so that none is relied upon alone.",
        "",
        "Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html",
        ("dropout",),
    ),
    Term(
        "EDM noise distribution",
        "In training the noise is drawn from a log-normal law, most often of the sizes where there is something to "
        "learn.",
        r"\ln\varsigma \sim N(P_\text{mean}, P_\text{std}^2)",
        _EDM,
        ("times", "ln_mean", "ln_std"),
    ),
    Term(
        "EDM preconditioning",
        "What the network sees and what it is asked for are scaled to variance 1 at every size of the noise: its "
        "answer is data where there is much noise, and noise where there is little.",
        r"\hat x_0 = c_\text{skip}\, x + c_\text{out}\, F_\theta(c_\text{in}\, x)",
        _EDM,
        ("predict=edm", "sigma_data"),
    ),
    Term(
        "Fourier features",
        "Sines and cosines of the pixels beside the pixels: with them a network can tell neighbouring grey levels "
        "apart.",
        r"\sin(2^n \pi x), \cos(2^n \pi x)",
        _VDM,
        ("fourier",),
    ),
    Term(
        "Group normalisation",
        "Channels are brought to mean 0 and variance 1 in groups, for each example by itself.",
        "",
        "Wu & He (2018), https://arxiv.org/abs/1803.08494",
        ("groups",),
    ),
    Term(
        "Guidance",
        "A diffusion model that learned with and without labels is pushed beyond what the label asks for: clearer "
        "samples, less variety. One that learned with labels alone (label_dropout = 0) can only be asked with w = 1.",
        r"w",
        "Ho & Salimans (2022), https://arxiv.org/abs/2207.12598",
        ("label_dropout", "guidance"),
    ),
    Term(
        "Heun",
        "A step of the probability-flow equation that asks the network twice, where it starts and where it would "
        "arrive: second order.",
        "",
        _EDM,
        ("sampler=heun",),
    ),
    Term(
        "Langevin dynamics",
        "A walk that follows the score and is jolted by noise: in the long run it visits places as often as they are "
        "probable. Annealed, it begins where much noise joins far modes.",
        r"x \leftarrow x + \tfrac{\delta}{2} \nabla \log p(x) + \sqrt\delta\, \epsilon",
        "Song & Ermon (2019), https://arxiv.org/abs/1907.05600",
        ("stride", "repeats", "sampler=langevin"),
    ),
    Term(
        "Learned schedule",
        "Variational diffusion: the noise schedule is a rising function that is trained with the network, its ends "
        "for the bound and its shape for little variance.",
        r"\mathrm{SNR}(t) = e^{-\gamma_\eta(t)}",
        _VDM,
        ("schedule=learned",),
    ),
    Term(
        "Log-SNR",
        "The logarithm of how much stronger the data are than the noise: high at the beginning of the noising, "
        "falling to its end.",
        r"\lambda_t = \log \frac{\bar\alpha_t}{1 - \bar\alpha_t}",
        _VDM,
        ("knots", "spacing=log-snr", "spacing=early"),
    ),
    Term(
        "Loss weighting",
        "How much the error at each step counts. All alike, samples come out best; as the bound weighs them, the "
        "likelihood does.",
        r"w_t\, E \|\epsilon - \hat\epsilon\|^2",
        "Hang et al. (2023), https://arxiv.org/abs/2303.09556",
        ("weighting", "gamma"),
    ),
    Term(
        "Noise schedule",
        "How fast data become noise: how much of the example is left at each step.",
        r"\bar\alpha_t",
        _IDDPM,
        ("schedule",),
    ),
    Term(
        "Patches",
        "Squares of pixels that a network takes as one: fewer places, each with more to say.",
        "",
        "",
        ("patch",),
    ),
    Term(
        "Probability flow",
        "An equation without noise whose solutions have, at each time, the law of the noised data: noise becomes a "
        "sample, a sample its noise, and the density can be computed.",
        r"\frac{dx}{dt} = f(x, t) - \tfrac12 g(t)^2 \nabla \log p_t(x)",
        _SDE,
    ),
    Term(
        "Reverse variance",
        "How wide a step back is: as wide as the step there (β), as that step where the data are known (β̃), or between "
        "both, where the network says.",
        r"\Sigma = \exp(\nu \log\beta_t + (1 - \nu) \log\tilde\beta_t)",
        _IDDPM,
        ("variance",),
    ),
    Term(
        "Score",
        "The direction in which a density rises fastest. A diffusion model's predicted noise is minus the score, "
        "scaled.",
        r"\nabla_x \log p_t(x)",
        "Song et al. (2021), https://arxiv.org/abs/2011.13456",
    ),
    Term(
        "U-Net",
        "A network that looks at an image at ever coarser resolutions and comes back, with a link between both ways "
        "at each of them.",
        "",
        "Ronneberger, Fischer & Brox (2015), https://arxiv.org/abs/1505.04597",
        ("width", "widths", "network=unet", "network=unet2d", "network=unet2d-ddpm"),
    ),
    Term(
        "v-prediction",
        "The network says neither the noise nor the data but a mixture of both, which is as hard at every step.",
        r"v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0",
        "Salimans & Ho (2022), https://arxiv.org/abs/2202.00512",
        ("predict=v",),
    ),
    Term(
        "ε-prediction",
        "The network says which noise is in what it is shown. The data (x₀) or the mean of the step back (μ̃) say the "
        "same, and weigh its errors otherwise.",
        r"\epsilon = (x_t - \sqrt{\bar\alpha_t}\, x_0) / \sqrt{1 - \bar\alpha_t}",
        _DDPM,
        ("predict=eps", "predict=x0", "predict=mu"),
    ),
)
