"""Words of models whose density is exact: flows, and autoregressive models."""

from genmodels.glossary.term import Term

__all__ = ["EXACT"]

_NVP = "Dinh, Sohl-Dickstein & Bengio (2017), https://arxiv.org/abs/1605.08803"
_GLOW = "Kingma & Dhariwal (2018), https://arxiv.org/abs/1807.03039"
_MADE = "Germain et al. (2015), https://arxiv.org/abs/1502.03509"
_PIXEL = "Van den Oord et al. (2016), https://arxiv.org/abs/1606.05328"

EXACT = (
    Term(
        "Actnorm",
        "Each channel is stretched and shifted by numbers of its own, set so that the first batch comes out with mean "
        "0 and variance 1.",
        r"y = s \odot x + b",
        _GLOW,
        ("actnorm",),
    ),
    Term(
        "Autoregressive model",
        "An example is one number after another, each with a law that depends on those before: the product of the "
        "laws is its exact density.",
        r"p(x) = \prod_i p(x_i \mid x_{<i})",
        _MADE,
        ("order",),
    ),
    Term(
        "Blind spot",
        "Pixels above that a stack of masked convolutions never sees, because no path of masks leads there. Two "
        "stacks, one for rows above and one for the row, have none.",
        "",
        _PIXEL,
        ("reach",),
    ),
    Term(
        "Change of variables",
        "A map that can be undone carries a density along: what it stretches becomes thinner by as much.",
        r"\log p(x) = \log p(f(x)) + \log |\det J_f(x)|",
        _NVP,
    ),
    Term(
        "Coupling",
        "A layer of a flow that moves one part of the numbers as the other part says, and leaves that as it is: so it "
        "is undone as fast as done.",
        r"y_2 = x_2 \odot e^{s(x_1)} + t(x_1)",
        _NVP,
        ("coupling", "couplings"),
    ),
    Term(
        "Dequantization",
        "Noise that spreads whole grey levels over the gaps between them, so that a density can be learned; "
        "variational, the noise is learned too.",
        r"\log P(k) \ge E_{u \sim q}[\log p(k + u) - \log q(u \mid k)]",
        "Ho et al. (2019), https://arxiv.org/abs/1902.00275",
        ("dequantization",),
    ),
    Term(
        "Logistic mixture",
        "The law of a grey level: of a mixture of logistic curves, the mass that falls on that level.",
        r"\sum_i \pi_i [\sigma(\tfrac{x + h - \mu_i}{s_i}) - \sigma(\tfrac{x - h - \mu_i}{s_i})]",
        "Salimans et al. (2017), https://arxiv.org/abs/1701.05517",
        ("pixels=logistics",),
    ),
    Term(
        "Logit",
        "Pixels between 0 and 1 are stretched over all numbers before a flow sees them.",
        r"\log \frac{x}{1 - x}",
        _NVP,
        ("pixels=logit",),
    ),
    Term(
        "MADE",
        "A network whose masked weights leave each output only the numbers before it: all factors of the density come "
        "out at once.",
        r"M \odot W",
        _MADE,
        ("network=made", "orders"),
    ),
    Term(
        "Mask",
        "Which numbers a layer may see, or move: in a coupling pixels like the fields of a checkerboard, or half of "
        "the channels.",
        "",
        _NVP,
        ("mask",),
    ),
    Term(
        "Mixing of channels",
        "Between couplings the halves change places, or a learned matrix turns all channels: a 1×1 convolution, whose "
        "determinant its LU form gives at once.",
        r"W = P L U",
        _GLOW,
        ("mixing",),
    ),
    Term(
        "Multi-scale flow",
        "After some layers half of the numbers are done, and the others go on at half the resolution.",
        "",
        _NVP,
        ("scales",),
    ),
    Term(
        "NADE",
        "An autoregressive network whose hidden units are updated as each number becomes known, and shared by all "
        "factors.",
        "",
        "Larochelle & Murray (2011), https://proceedings.mlr.press/v15/larochelle11a.html",
        ("network=nade",),
    ),
    Term(
        "Normalizing flow",
        "Noise is made into data by layers that can be undone: so every example has its noise, and an exact density.",
        r"x = f^{-1}(u), \quad u \sim N(0, I)",
        "Rezende & Mohamed (2015), https://arxiv.org/abs/1505.05770",
    ),
    Term(
        "PixelCNN",
        "An autoregressive model of images: convolutions that see only pixels above and to the left.",
        r"p(x_i \mid x_{<i})",
        _PIXEL,
        ("network=pixelcnn", "channels"),
    ),
    Term(
        "Receptive field",
        "Which numbers an output of a network can depend on.",
        r"\{j : \partial y_i / \partial x_j \ne 0\}",
        _PIXEL,
    ),
    Term(
        "Spline",
        "A rising curve through a few knots, of quotients of parabolas in between: more ways to move a number than a "
        "stretch and a shift.",
        "",
        "Durkan et al. (2019), https://arxiv.org/abs/1906.04032",
        ("coupling=spline", "bins", "bound"),
    ),
)
