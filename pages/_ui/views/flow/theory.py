"""From the change of variables to bits per dimension, with the numbers of one example, beside the code."""

from collections.abc import Callable
from typing import Any

from genmodels.flows import images
from genmodels.flows.bijections import ActNorm, Chain, Linear, Squeeze
from genmodels.flows.couplings import Affine, Couplings
from genmodels.flows.splines import Spline
from genmodels.instruments.flow.dequantization import numbers
from genmodels.models.flow import Flow
from pages._ui.page.symbols import DEQUANTIZED
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import example_of

__all__ = ["theory"]

Choices = dict[str, tuple[Callable[..., Any], str]]
"""Equations of which a model has some."""

DENSITY: Equations = {
    Flow.log_prob_and_code: r"""Volume is stretched, density falls
        $$ z &= f(x) \\ \log p(x) &= \log N(z; 0, I) + \log \left| \det \frac{\partial z}{\partial x} \right| $$
        $$ \log N(z; 0, I) = <base> \\ \log |\det J| = <ladj> \\ \log p(<x>) = <log_prob> \\ \|z\| = <length> $$
        Of an image, with the noise that the flow learned with. Probability is kept while space is bent: the
        determinant's absolute value says by how much its volume grows.
        Dinh et al. (2017), Density estimation using Real NVP, eq. 2.""",
    Chain.forward: r"""A chain of maps
        $$ \log |\det J| = \sum_k \log \left| \det \frac{\partial h_k}{\partial h_{k-1}} \right| $$
        From h₀ = x to the last h, which is z. Determinants multiply, so their logarithms add up.""",
    Flow.sample: r"""To sample, go back
        $$ z \sim N(0, T^2 I), \qquad x = f^{-1}(z) $$
        $$ \max |f^{-1}(f(x)) - x| = <back> $$
        Every layer is undone, from the last to the first. T = 1 samples the density that was learned.""",
}

COUPLING: Equations = {
    Couplings.there: r"""A coupling
        $$ y_b &= x_b \\ y_a &= g(x_a; \theta(x_b)) \\ \log |\det J| &= \textstyle\sum_i \log g'(x_{a,i}) $$
        The Jacobian is triangular whatever the network θ does, so its determinant is the product of its diagonal; and
        who undoes it needs θ, not its inverse. A determinant of full size would cost D³. Sections 3.2 and 3.3.""",
}
MAPS: Choices = {
    "affine": (
        Affine.forward,
        r"""How a number is moved
        $$ g(x) = x\, e^s + t, \qquad \log g' = s $$
        Stretched and shifted, by what the network reads off the other half. Eqs. 7 and 8.""",
    ),
    "spline": (
        Spline.forward,
        r"""How a number is moved
        $$ g(x) &= y_k + \frac{h_k [s \xi^2 + d_k \xi (1 - \xi)]}{s + (d_{k+1} + d_k - 2s)\, \xi (1 - \xi)} \\
        \xi &= (x - x_k) / w_k \\ s &= h_k / w_k $$
        A rising curve through knots, with its derivative at each; outside, the identity. Durkan et al. (2019), Neural
        spline flows, eqs. 4 and 5.""",
    ),
}
BETWEEN: Choices = {
    "lu": (
        Linear.forward,
        r"""A matrix between couplings
        $$ W &= P L (U + \mathrm{diag}(e^s)) \\ \log |\det W| &= \textstyle\sum_i s_i $$
        Of images at every place the same: an invertible 1×1 convolution. Kingma & Dhariwal (2018), Glow, eqs. 10 and
        11.""",
    ),
    "actnorm": (
        ActNorm.forward,
        r"""Stretched and shifted
        $$ y &= e^s (x + t) \\ \log |\det J| &= H W \textstyle\sum_c s_c $$
        Set from the first batch, then learned; other examples of a batch change nothing. Glow, section 3.1.""",
    ),
    "conv": (
        Squeeze.forward,
        r"""A checkerboard is four channels
        $$ (C, H, W) \to (4 C, H / 2, W / 2) $$
        The corners of each square of 2×2 pixels become channels. In the order of two opposite corners and then the
        others, a coupling of halves of the channels is one of white squares given the black ones. Dinh et al. (2017),
        sections 3.4 and 3.6.""",
    ),
}
IMAGES: Equations = {
    Flow.discrete_log_prob: r"""Whole numbers have no density
        $$ v &= (x + u) / \text{levels} \\ \log P(x) &\ge E_{q(v \mid x)}[\log p(v) - \log q(v \mid x)] $$
        $$ \log P(<x>) \ge <bound> \\ \text{of a dimension} = <bpd> \\ \text{levels} = <levels> $$
        For any noise u that stays in [0, 1); the mean of several draws is tighter. Theis et al. (2016), section 3.1;
        Ho et al. (2019), Flow++, section 3.1.""",
}
NOISE: Choices = {
    "uniform": (
        images.uniform,
        r"""The noise
        $$ u \sim U[0, 1)^D, \qquad \log q(v \mid x) = D \log \text{levels} $$
        Theis et al. (2016), section 3.1.""",
    ),
    "variational": (
        images.Learned.forward,
        r"""Noise that is learned
        $$ u &= \Phi(g(\epsilon; x)) \\ \log q(u \mid x) &= \log N(\epsilon) -
        \log \left| \det \frac{\partial u}{\partial \epsilon} \right| $$
        A flow of its own for each image; uniform as long as g is the identity. Flow++, section 3.1.""",
    ),
    "gaussian": (
        images.gaussian,
        r"""Noise that does not stay
        $$ v = (x + \tfrac12 + \sigma \epsilon) / \text{levels}, \qquad \epsilon \sim N(0, I) $$
        v no longer says what x was: what is learned is the density of blurred images, and with this noise no bound on
        log P(x). The bound above asks that density with uniform noise, which stays.""",
    ),
}
PIXELS: Choices = {
    "logit": (
        images.Logit.forward,
        r"""From pixels to the line
        $$ z_i = \mathrm{logit}(\alpha + (1 - 2 \alpha) v_i) $$
        Its own determinant counts: to forget it is the commonest mistake in bits that are reported. Dinh et al. (2017),
        section 4.1.""",
    ),
    "linear": (
        images.Centred.forward,
        r"""From pixels to [−1, 1]
        $$ z_i = 2 v_i - 1, \qquad \log |\det J| = D \log 2 $$
        Its own determinant counts: to forget it is the commonest mistake in bits that are reported.""",
    ),
}


def theory(moment: Moment) -> None:
    """The equations of a flow: what is exact, and why it can be computed."""
    model, config = moment.model, moment.model.config
    example = example_of(moment, key="theory_example")
    terms = seen(numbers, moment, example=example)
    units = {"base": "nats", "ladj": "nats", "log_prob": "nats", "bound": "nats", "bpd": "bits"}
    known = {name: measured(value, unit=units.get(name, "")) for name, value in terms.items()}
    known["x"] = r"x \mid y" if model.classes else "x"  # the label of the example is told
    between = [name for name, there in (("lu", config["mixing"] == "lu"), ("actnorm", config["actnorm"])) if there]
    if model.is_image and config["network"] == "conv":
        between.append("conv")
    parts: list[Equations] = [DENSITY, COUPLING, dict([MAPS[config["coupling"]], *(BETWEEN[name] for name in between)])]
    if model.is_image:
        parts += [IMAGES, dict([NOISE[config["dequantization"]], PIXELS[config["pixels"]]])]
    show(parts, known, DEQUANTIZED)
