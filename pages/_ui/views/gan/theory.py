"""GAN and BiGAN: from min-max to divergences, with this model's numbers, beside the code that computed them."""

import math

import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.instruments.gan.critics import saturation
from genmodels.instruments.gan.divergence import best_discriminator, jensen_shannon
from genmodels.instruments.gan.game import numbers
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN, discriminator_loss, generator_slope
from genmodels.nn.adversarial import normalize_spectrally
from pages._ui.page.theory import Equations, Picture, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment

__all__ = ["bigan", "gan"]

MEANS = "The numbers are means over 256 test examples and as many samples of the model above"

GAME: Equations = {
    discriminator_loss: r"""Two players, one value
        $$ \min_G \max_D V(D, G) &= E_{x \sim p}[\log D(x)] \\ &+ E_z[\log(1 - D(G(z)))] $$
        $$ E[D(x)] = <D(real)> \\ E[D(G(z))] = <D(fake)> \\ V(D, G) = <value> \\ -\log 4 = <-log 4> $$
        V = −log 4 where the discriminator can but guess, D = ½. It climbs towards 0 as it sees through the samples.
        Goodfellow et al. (2014), eq. 1.""",
    jensen_shannon: r"""The best discriminator makes it a divergence
        $$ D^* = \frac{p}{p + q}, \qquad V(D^*, G) = 2\,JS(p, q) - \log 4 $$
        $$ V(D, G) = <V, fresh> \\ V(D^*, G) \ge <V at best> \\ JS(p, q) \ge <JS> $$
        Insert D* and two KL divergences to (p + q)/2 remain. Goodfellow et al. (2014), proposition 1, theorem 1.
        <divergence>""",
    generator_slope: r"""What the generator is taught with
        $$ \text{minimax: } & \log(1 - D) & \partial_s &= -D \\
        \text{non-saturating: } & -\log D & \partial_s &= -(1 - D) \\
        \text{least squares: } & \tfrac12 (s - 1)^2 & \partial_s &= s - 1 $$
        $$ |\partial L / \partial s| = <push> \\ L_G = <generator_loss> $$
        The same fixed point, another slope: with s the logit, D = σ(s). Section 3.""",
}
BOUNDED = (
    "No D has a larger V, so each bounds the divergence from below: here the best of the learned one, D = ½ and three "
    "that count neighbours, on 1,500 data and samples that none has seen, ± a standard error. *On the plane* draws D "
    "and D*."
)
SATURATION = (
    "On the left the discriminator is sure that the sample is false. There log(1 − D) is flat: its slope is D ≈ 0, and "
    "the generator that most needs to learn is told nothing. −log D has slope 1 − D ≈ 1 in the same place. Least "
    "squares never saturates, on either side."
)
TRAINING: Equations = {
    discriminator_loss: r"""Least squares
        $$ L_D = \tfrac12 E[(s(x) - 1)^2] + \tfrac12 E[s(G(z))^2] $$
        $$ L_D = <least squares> $$
        The score itself is to be p/(p + q). Samples far on the right side of the border still pull. Mao et al. (2017),
        eq. 9.""",
    GAN.loss: r"""One step of the training
        $$ L_D = -V(D, G), \qquad L_G = E_z[\ell(s(G(z)))] $$
        $$ L_D = <discriminator_loss> \\ L_G = <generator_loss> $$
        The discriminator's turns see samples without gradient; the generator's turn goes through the critic.""",
    normalize_spectrally: r"""No layer stretches
        $$ W \leftarrow W / \sigma_{\max}(W) $$
        Spectral normalization bounds the slope of the whole network: of dense layers by 1; each convolution, a kernel
        of 4 at stride 2, can still stretch by up to 2. Miyato et al. (2018), eq. 8.""",
}
PAIRS: Equations = {
    BiGAN.loss: r"""The discriminator judges pairs
        $$ \min_{G, E} \max_D \; E_{x \sim p}[\log D(x, E(x))] + E_z[\log(1 - D(G(z), z))] $$
        $$ V = <value> \\ -\log 4 = <-log 4> \\ E[D(x, E(x))] = <D(real)> \\ E[D(G(z), z)] = <D(fake)> $$
        One player joins an example with its code, the other a code with its example. Donahue et al. (2017), eqs. 2
        and 3.""",
    BiGAN.generator_loss: r"""Encoder and generator swap the labels
        $$ L_{G, E} = -E_x[\log(1 - D(x, E(x)))] - E_z[\log D(G(z), z)] $$
        $$ L_{G,E} = <generator_loss> $$
        Both gradients are strong where the discriminator is sure, for the reason that −log D replaces log(1 − D) in a
        GAN.""",
    BiGAN.reconstruct: r"""At the optimum each undoes the other
        $$ p(x)\, \delta(z - E(x)) = p(z)\, \delta(x - G(z)) \;\Rightarrow\; G(E(x)) = x $$
        $$ E\|G(E(x)) - x\|^2 / D = <reconstruction> $$
        This error is in no loss: it falls because the joint distributions meet. Theorem 2. *There and back* shows
        it.""",
    BiGAN.infer: r"""The code, and its noise where it has some
        $$ z = E(x) \quad \text{or} \quad z \sim N(\mu(x), \sigma^2(x)) $$
        Adversarially learned inference draws z: Dumoulin et al. (2017), section 2.""",
}


def gan(moment: Moment) -> None:
    """From min-max to JS divergence, and why the saturating loss has no gradient."""
    st.caption(f"{MEANS}.")
    model, terms, belief = moment.model, dict(seen(numbers, moment)), None
    if model.objective == "least-squares":
        terms["least squares"] = terms["discriminator_loss"]
    else:
        belief = terms["D(fake)"]
        terms |= {"value": measured(terms["value"]), "-log 4": measured(-math.log(4))}
    terms["divergence"] = "With a density that is known, on the plane and without labels, the numbers stand here."
    if not model.is_image and not model.classes and moment.data.log_prob is not None:
        _, bound = seen(best_discriminator, moment, half=DATASETS[moment.data.name].extent)
        terms |= {"JS": measured(bound.js, bound.js_se), "V, fresh": measured(bound.learned, bound.learned_se)}
        terms |= {"V at best": measured(2 * bound.js - math.log(4), 2 * bound.js_se), "divergence": BOUNDED}
    show((GAME, Picture(_saturation(belief), SATURATION, "saturation"), TRAINING), terms)


def _saturation(belief: float | None) -> go.Figure:
    """How strongly each objective pushes; a dotted line where this model's samples are, whose mean D is ``belief``."""
    slopes = saturation()
    names = {"minimax": "D", "non-saturating": "1 − D", "least-squares": "|s − 1|"}
    lines = [
        figures.Curve(f"{name}: {slope}", slopes["s"], slopes[name], figures.RUNS[i])
        for i, (name, slope) in enumerate(names.items())
    ]
    title = "How strongly a sample is pushed"
    figure = figures.curves(lines, x_title="logit s of a sample", y_title="|∂L/∂s|", title=title)
    if belief is not None and 0 < belief < 1:
        dotted = {"color": figures.NEUTRAL, "dash": "dot"}
        words = {"annotation_text": "this model's E[D(G(z))]", "annotation_position": "bottom left"}
        figure.add_vline(x=math.log(belief / (1 - belief)), line=dotted, **words)
    return figure.update_yaxes(range=[0, 2.05])


def bigan(moment: Moment) -> None:
    """Pairs instead of points, and why E and G undo each other."""
    st.caption(f"{MEANS}.")
    terms = seen(numbers, moment)
    show((PAIRS,), terms | {"value": measured(terms["value"]), "-log 4": measured(-math.log(4))})
