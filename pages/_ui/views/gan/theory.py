"""From min-max to divergences, from the earth mover's distance to a critic: with a model's numbers, beside the code."""

import math

import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.data.datasets import Data
from genmodels.instruments.gan.critics import apart, saturation
from genmodels.instruments.gan.dirac import dirac
from genmodels.instruments.gan.divergence import best_discriminator, jensen_shannon
from genmodels.instruments.gan.game import Coverage, coverage, numbers, w1_floor
from genmodels.metrics.distances import wasserstein1
from genmodels.models.adversarial import penalized
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN, discriminator_loss, generator_slope
from genmodels.models.wgan import WGAN, between, gradient_norm
from genmodels.nn.adversarial import Critic, normalize_spectrally
from genmodels.palette import CLASSES
from pages._ui.page.symbols import DENSITIES
from pages._ui.page.theory import Equations, Picture, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import half_of

__all__ = ["bigan", "gan", "wgan"]

LINES = figures.RUNS[6], CLASSES[4], CLASSES[3], CLASSES[9]  # of curves: none of them is the colour of a symbol
MEANS = "The numbers are means over 256 test examples and as many samples of the model above"

# GAN and BiGAN ---

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
        The same fixed point, another slope: s is the logit, D = σ(s), and by least squares D itself. Section 3.""",
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
        $$ L_D = \ell_D + \gamma_1 R_1 + \gamma_2 R_2, \qquad L_G = E_z[\ell_G(s(G(z)))] $$
        $$ L_D = <discriminator_loss> \\ L_G = <generator_loss> $$
        The discriminator's ℓ is −V or what the objective has in its place. Its turns see samples without gradient; the
        generator's turn goes through the critic.""",
    normalize_spectrally: r"""No layer stretches
        $$ W \leftarrow W / \sigma_{\max}(W) $$
        Spectral normalization bounds the slope of the whole network: of dense layers by 1, with labels by 2; each
        convolution, a kernel of 4 at stride 2, can still stretch by up to 2. Miyato et al. (2018), eq. 8.""",
}
RELATIVISTIC: Equations = {
    discriminator_loss: r"""Relativistic: which of the two is real?
        $$ \ell_D = -E_{x, z}[\log \sigma(s(x) - s(G(z)))] $$
        $$ \ell_D = <relativistic> \\ \log 2 = <log 2> $$
        Every sample beside an example of its own: one that lies among samples that pass for real is pulled on still,
        and to drop a mode no longer pays. A guess costs log 2. The best s is log p/q up to a constant, and then
        ℓ = log 2 − JS(p ⊗ q, q ⊗ p). Jolicoeur-Martineau (2019); Huang et al. (2024), eq. 2.""",
    GAN.rival: r"""The generator plays the other way round
        $$ L_G = -E_{x, z}[\log \sigma(s(G(z)) - s(x))] $$
        A sample's score is measured against that of an example; in the other objectives against 0.""",
    GAN._told: r"""The constant that the pairs leave open
        $$ \partial_b V = 1 - E_{x \sim p}[D(x)] - E_z[D(G(z))] $$
        The players do not see b, the last bias. It alone climbs V, until D is ½ on average over data and samples, as
        p/(p + q) is: so D is a probability that can be drawn, and V bounds JS as above.""",
    penalized: r"""Flat where the data and the samples are
        $$ R_1 = \tfrac12 E_{x \sim p}\|\nabla s(x)\|^2, \qquad R_2 = \tfrac12 E_z\|\nabla s(G(z))\|^2 $$
        $$ R_1 = <R1> \\ R_2 = <R2> \\ \gamma_1 = <r1> \\ \gamma_2 = <r2> $$
        Once samples and data agree, a discriminator that still slopes would push them apart again: slope 0 is where the
        game can end. Any objective takes them. Mescheder et al. (2018), eq. 9; both together: Huang et al. (2024),
        section 2.""",
}
DIRAC = (
    "Data at 0, one sample at θ, a discriminator s(x) = ψx, and the relativistic loss. Without a penalty the sample "
    "overshoots, the discriminator turns, and round they go: the nearer they are, the more exactly each step is a "
    "rotation, and they never arrive. With R1 they come closer by √(1 − ηγ) a step, η the learning rate. Mescheder et "
    "al. (2018), sections 2 and 3."
)
PAIRS: Equations = {
    BiGAN.loss: r"""The discriminator tells pairs apart
        $$ \min_{G, E} \max_D \; E_{x \sim p}[\log D(x, E(x))] + E_z[\log(1 - D(G(z), z))] $$
        $$ V = <value> \\ -\log 4 = <-log 4> \\ E[D(x, E(x))] = <D(real)> \\ E[D(G(z), z)] = <D(fake)> $$
        One player joins an example with its code, the other a code with its example. Donahue et al. (2017), eqs. 2
        and 3.""",
    BiGAN.generator_loss: r"""Encoder and generator swap the labels
        $$ L_{G, E} = -E_x[\log(1 - D(x, E(x)))] - E_z[\log D(G(z), z)] $$
        $$ L_{G,E} = <generator_loss> $$
        Both gradients are strong where the discriminator is sure, for the reason that −log D replaces log(1 − D) in a
        GAN.""",
}
UNDONE: dict[bool, Equations] = {
    False: {
        BiGAN.reconstruct: r"""At the optimum each undoes the other
        $$ p(x)\, \delta(z - E(x)) = p(z)\, \delta(x - G(z)) \;\Rightarrow\; G(E(x)) = x $$
        $$ E\|G(E(x)) - x\|^2 / D = <reconstruction> $$
        This error is in no loss: it falls because the joint distributions meet. Theorem 2. *There and back* shows
        it."""
    },
    True: {
        BiGAN.reconstruct: r"""At the optimum G undoes every draw
        $$ p(x)\, q(z \mid x) = p(z)\, \delta(x - G(z)) \;\Rightarrow\; G(z) = x, \quad z \sim q(z \mid x) $$
        $$ E\|G(E(x)) - x\|^2 / D = <reconstruction> $$
        q would lie on the codes of which G makes x alone: a Gaussian, which has some density everywhere, only comes
        near. E(x) is its mean. This error is in no loss: it falls as the joint distributions meet. Dumoulin et al.
        (2017), section 2. *There and back* shows it."""
    },
}
"""By whether the encoder is stochastic."""
FURTHER: Equations = {
    BiGAN.infer: r"""The code, and its noise where it has some
        $$ z = E(x) \quad \text{or} \quad z \sim N(\mu(x), \sigma^2(x)) $$
        Adversarially learned inference draws z: Dumoulin et al. (2017), section 2.""",
    penalized: r"""Flat where both kinds of pairs are
        $$ R_1 = \tfrac12 E_{x \sim p}\|\nabla s(x, E(x))\|^2, \qquad R_2 = \tfrac12 E_z\|\nabla s(G(z), z)\|^2 $$
        $$ R_1 = <R1> \\ R_2 = <R2> \\ \gamma_1 = <r1> \\ \gamma_2 = <r2> $$
        The slope in x and z together. Where the pairs agree, a discriminator that still slopes would push them apart
        again: the game goes round. At slope 0 it can end. Mescheder et al. (2018), eq. 9, of pairs.""",
}


def gan(moment: Moment) -> None:
    """From min-max to JS divergence, and why the saturating loss has no gradient."""
    st.caption(f"{MEANS}.")
    model, terms, belief = moment.model, dict(seen(numbers, moment)), None
    if model.objective == "relativistic":
        penalties = model.r1 * terms.get("R1", 0.0) + model.r2 * terms.get("R2", 0.0)
        terms |= {"relativistic": terms["discriminator_loss"] - penalties, "log 2": math.log(2)}
    if "R1" in terms:
        terms |= {"r1": model.r1, "r2": model.r2}
    if model.objective == "least-squares":
        terms["least squares"] = terms["discriminator_loss"]
    else:
        belief = terms["D(fake)"]
        terms |= {"value": measured(terms["value"]), "-log 4": measured(-math.log(4))}
    terms["divergence"] = "With a density that is known, on the plane and without labels, the numbers stand here."
    if not model.is_image and not model.classes and moment.data.log_prob is not None:
        _, bound = seen(best_discriminator, moment, half=half_of(moment))
        terms |= {"JS": measured(bound.js, bound.js_se), "V, fresh": measured(bound.learned, bound.learned_se)}
        terms |= {"V at best": measured(2 * bound.js - math.log(4), 2 * bound.js_se), "divergence": BOUNDED}
    pictures = Picture(_saturation(belief), SATURATION, "saturation"), Picture(_dirac(), DIRAC, "dirac")
    show((GAME, pictures[0], RELATIVISTIC, pictures[1], TRAINING), terms, DENSITIES)


def _saturation(belief: float | None) -> go.Figure:
    """How strongly each objective pushes; a dotted line where this model's samples are, whose mean D is ``belief``."""
    slopes = saturation()
    names = {"minimax": "D", "non-saturating": "1 − D", "least-squares": "|s − 1|"}
    lines = [
        figures.Curve(f"{name}: {slope}", slopes["s"], slopes[name], LINES[i])
        for i, (name, slope) in enumerate(names.items())
    ]
    title = "How strongly a sample is pushed"
    figure = figures.curves(lines, x_title="score s of a sample", y_title="|∂L/∂s|", title=title)
    if belief is not None and 0 < belief < 1:
        dotted = {"color": figures.NEUTRAL, "dash": "dot"}
        words = {"annotation_text": "this model's E[D(G(z))]", "annotation_position": "bottom left"}
        figure.add_vline(x=math.log(belief / (1 - belief)), line=dotted, **words)
    return figure.update_yaxes(range=[0, 2.05])


def _dirac() -> go.Figure:
    """The path of the smallest GAN, the Dirac GAN, with and without a penalty."""
    lines = []
    for i, weight in enumerate((0.0, 0.1, 0.5)):
        x, y = dirac(weight).T
        lines.append(figures.Curve(f"R1 with γ = {weight:g}" if weight else "without", x, y, LINES[i]))
    title = "The smallest GAN, from θ = 1"
    figure = figures.curves(lines, x_title="the sample θ", y_title="the discriminator's slope ψ", title=title)
    return figure.update_yaxes(scaleanchor="x")


def bigan(moment: Moment) -> None:
    """Pairs instead of points, and why E and G undo each other."""
    st.caption(f"{MEANS}.")
    model, terms = moment.model, dict(seen(numbers, moment))
    if "R1" in terms:
        terms |= {"r1": model.r1, "r2": model.r2}
    parts = PAIRS, UNDONE[model.stochastic], FURTHER
    show(parts, terms | {"value": measured(terms["value"]), "-log 4": measured(-math.log(4))})


# Wasserstein GAN ---

DISTANCE: Equations = {
    wasserstein1: r"""What it costs to carry the samples to the data
        $$ W(p, q) = \inf_{\gamma \in \Pi(p, q)} E_{(x, y) \sim \gamma} \|x - y\| $$
        $$ W(\text{400 data}, \text{400 samples}) = <w1> \\ W(\text{400 data}, \text{400 others}) = <floor> $$
        The earth mover's distance: the norm is not squared. On the plane it is computed exactly, for 400 points, by the
        best of all assignments. Two sets of data are not 0 apart: that is the floor, and of the two distributions
        themselves W is smaller than of 400 points of each, by at most about the floor.<each> Arjovsky et al. (2017),
        eq. 1.""",
    WGAN.loss: r"""The same number from the other side, of the best critic
        $$ W(p, q) = \sup_{\|f\|_L \le 1} E_{x \sim p}[f(x)] - E_z[f(G(z))] $$
        $$ E[f(x)] - E[f(G(z))] = <estimate> $$
        Kantorovich and Rubinstein: a critic that nowhere climbs faster than 1 cannot tell them further apart than they
        are; of the best one it is the same number from the other side, of any other it is less. This critic is a
        network in training<kept> Of points *Estimate and exact* draws both over the training. Eq. 2.""",
}
KEPT = {
    "clip": ", with weights in [−c, c]: it is at most k times W, k its steepest slope.",
    "gp": ", held to slope 1 by a soft penalty only: the best of these finds more than W (below), one that lags, less.",
    "spectral": ", nowhere steeper than 1: its estimate is below W of the same points.",
    "none": " that nothing keeps from being steep: its estimate says nothing of W.",
}
FLAT = (
    "Once the two hardly overlap, the total variation (TV) stands at 1, JS at log 2, and their slope is 0: a perfect "
    "discriminator tells the generator nothing. KL = θ²/2σ² leaves the axis. W₁ is θ itself, with the same slope "
    "everywhere. Arjovsky et al. (2017), example 1."
)
LIPSCHITZ: Equations = {
    WGAN.after_turn: r"""Lipschitz by clipping
        $$ w \leftarrow \operatorname{clip}(w, -c, c) $$
        $$ c = <clip> $$
        The slope is bounded by some k that depends on the layers, and the estimate by k·W. The best critic of slope k
        need not be among the networks with weights in [−c, c]: the estimate can be far less. Algorithm 1.""",
    gradient_norm: r"""Lipschitz by a penalty
        $$ P = E_{\hat x}\left[(\|\nabla f(\hat x)\| - 1)^2\right], \quad \hat x = u x + (1 - u) G(z) $$
        $$ \|\nabla f\| = <gradient norm> \\ P = <penalty> \\ \lambda = <lambda> $$
        The best 1-Lipschitz critic has slope 1 along the line from a sample to the example that an optimal plan carries
        it to (proposition 1); here it is asked between any sample and any example. A gradient of a gradient:
        create_graph keeps it differentiable in the weights. Where leaky ReLU has its kinks the slope jumps, and that a
        kink moves with the weights this derivative does not see; ELU has none. Gulrajani et al. (2017), eq. 3.""",
    WGAN.flow: r"""What the best critic under this penalty finds
        $$ \|\nabla f\| &= 1 + \frac{|\sigma|}{2 \lambda m} \\ E[f(x)] - E[f(G(z))] &=
        \int |\sigma| + \frac{1}{2 \lambda} \int \frac{|\sigma|^2}{m} \\ &\ge W + \frac{W^2}{2 \lambda} \\
        E[f(x)] - E[f(G(z))] - 2 \lambda P &= \int |\sigma| \ge W $$
        $$ E[f(x)] - E[f(G(z))] = <of these points> \\ 2 \lambda P = <2 lambda P> \\
        E[f(x)] - E[f(G(z))] - 2 \lambda P = <wasserstein (flow)> $$
        m is the density of x̂, σ a flow that carries the samples to the data, along ∇f. The penalty is soft: it pays to
        be steeper than 1, the more so where little of m is. The first ≥ is = only where |σ| is in
        proportion to m; taking 2λP off leaves the flow's length, which on a line is W. Milne & Nachman (2022),
        Wasserstein GANs with gradient penalty compute congested transport.""",
    between: r"""Where it is taken
        $$ u \sim U(0, 1), \qquad \hat x = u x + (1 - u)\, G(z) $$
        One u for each pair, not one for each pixel: x̂ lies on the straight line between them.""",
    Critic.bound: r"""Lipschitz by construction
        $$ \|f\|_L \le \frac{1}{B} \prod_l s_l\, \sigma_{\max}(W_l) = 1, \qquad B = \prod_l s_l $$
        $$ B = <bound> $$
        Every weight is divided by its largest singular value, and neither leaky ReLU nor ELU stretches. What else can
        is divided away: s = 2 for a convolution whose kernel of 4 at stride 2 sees a pixel up to four times, and for
        the sum of the two vectors that score an example and its label. σ is found by power iterations, one a step, so
        that the bound holds as nearly as they have converged. Miyato et al. (2018), eq. 8.""",
    WGAN.generator_loss: r"""What the generator minimizes
        $$ L_G = -E_z[f(G(z))] $$
        $$ L_G = <generator_loss> $$
        Its gradient at a sample is −∇f, so each is pushed along ∇f: of points the arrows of *On the plane*. It does not
        vanish when f is trained to the end; that is why the critic may take more turns. Theorem 3.""",
}


def wgan(moment: Moment) -> None:
    """Kantorovich and Rubinstein, and what keeps a critic Lipschitz."""
    model, terms = moment.model, seen(numbers, moment)
    known: dict[str, float | str] = {"generator_loss": terms["generator_loss"], "estimate": terms["wasserstein"]}
    known |= {"kept": KEPT[model.penalty], "each": ""}
    match model.penalty:
        case "clip":
            known["clip"] = model.clip
        case "spectral":
            known["bound"] = model.critic.bound()
        case "gp":
            known |= {"lambda": model.penalty_weight, "2 lambda P": 2 * model.penalty_weight * terms["penalty"]}
            known["of these points"] = terms["wasserstein"]
            known |= {name: terms[name] for name in ("gradient norm", "penalty", "wasserstein (flow)")}
    if model.classes:
        known["each"] = " The model is conditional: W is the mean over the labels of each class's own."
    where = "."
    if not model.is_image:
        exact, (mean, spread) = seen(_exact, moment)
        known |= {"w1": exact.w1, "estimate": exact.estimate, "floor": measured(mean, spread, "")}
        where = "; W and the estimate beside it are of 400 and 400, as in *Estimate and exact*."
    st.caption(MEANS + where)
    show((DISTANCE, Picture(_flat(), FLAT, "apart"), LIPSCHITZ), known, DENSITIES)


def _exact(model: WGAN, data: Data) -> tuple[Coverage, tuple[float, float]]:
    """The exact distance and the critic's estimate of the same 400 samples and test points, and the floor."""
    return coverage(model, data), w1_floor(data, by_class=bool(model.classes))


def _flat() -> go.Figure:
    """Why not a divergence: none says well how far apart two distributions are that hardly overlap."""
    two = apart()
    theta = two["theta"]
    lines = [
        figures.Curve("W₁, units of x", theta, two["w1"], LINES[0]),
        figures.Curve("JS, nats", theta, two["js"], LINES[1]),
        figures.Curve("log 2", theta, 0 * theta + math.log(2), LINES[1], dashed=True),
        figures.Curve("TV", theta, two["tv"], LINES[2]),
        figures.Curve("KL, nats", theta, two["kl"], LINES[3]),
    ]
    x, y = "distance θ of two Gaussians with σ = 0.1", "W₁ (units of x) · JS, KL (nats) · TV"
    figure = figures.curves(lines, x_title=x, y_title=y, title="Why not a divergence")
    return figure.update_yaxes(range=[0, 2.05])  # KL ends at 200
