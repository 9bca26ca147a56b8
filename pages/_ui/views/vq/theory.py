"""The theory of the VQ-VAE: from what is encoded to a code, and to a bound; the source that computes it."""

from collections.abc import Mapping
from typing import Any

from genmodels.instruments.vq.maps import numbers
from genmodels.models.vq.codebook import Codebook, perplexity, straight_through
from genmodels.models.vq.model import VQVAE
from genmodels.models.vq.priors import CodeFrequencies, CodeMaps
from pages._ui.page.symbols import CODES as SYMBOLS
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment

__all__ = ["loss", "theory"]

CODES: Equations = {
    Codebook.nearest: r"""The nearest vector
        $$ k = \arg\min_j \|z_e - e_j\|, \qquad z_q = e_k $$
        $$ \|z_e - z_q\|^2 = <distance> $$
        Each place of what is encoded takes the number of the nearest of K vectors; the sum over the places is shown.
        Van den Oord et al. (2017), eqs. 1 and 2.""",
    straight_through: r"""A gradient through a choice
        $$ z_q = e_k + (z_e - \mathrm{sg}[z_e]), \qquad
        \frac{\partial \mathcal L}{\partial z_e} := \frac{\partial \mathcal L}{\partial z_q} $$
        A choice has no gradient. The encoder is given the decoder's, taken at the vector that was chosen: which way it
        should have been. Bengio et al. (2013), https://arxiv.org/abs/1308.3432.""",
    perplexity: r"""How much of the codebook is in use
        $$ \text{perplexity} = \exp\Big(-\sum_k p_k \log p_k\Big) $$
        $$ \text{perplexity} = <perplexity> \\ K = <K> $$
        K where all codes occur as often, 1 where one stands for everything.""",
}

AVERAGE: Equations = {
    Codebook.follow: r"""The vectors follow
        $$ N_k \leftarrow \gamma N_k + (1 - \gamma)\, n_k, \qquad
        m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_i z_{k,i}, \qquad e_k = \frac{m_k}{N_k} $$
        $$ \gamma = <gamma> $$
        Each is the mean of what was encoded as it lately: k-means, a batch at a time, and no gradient. Van den Oord et
        al. (2017), eqs. 6 to 8."""
}

MAPS: Equations = {
    CodeMaps.each: r"""Which codes occur
        $$ \log p(k) = \sum_i \log p(k_i \mid k_1, \ldots, k_{i-1}) $$
        $$ -\log p(k) = <code nll> \\ \text{places} \cdot \log K = <even> $$
        A gated PixelCNN, to which codes are symbols. All codes as often would cost the second number."""
}

ONE: Equations = {
    CodeFrequencies.log_prob: r"""Which codes occur
        $$ \log p(k) = \log \pi_k $$
        $$ -\log p(k) = <code nll> \\ \log K = <even> $$
        A point has one code, and its prior is how often it occurs.""",
    VQVAE.log_joint: r"""With few codes, everything is exact
        $$ \log p(x) = \log \sum_k p(k)\, N(x; D(e_k), \sigma^2) $$
        $$ \log p(x) = <log p(x)> $$
        A mixture of K Gaussians of one width. The bound takes one term of this sum: that of the code of x.""",
}

BOTH: Equations = {
    VQVAE.elbo: r"""A bound that is no estimate
        $$ \log p(x) \ge \log p(x \mid k) + \log p(k) $$
        $$ \log p(x \mid k) = <reconstruction> \\ \log p(k) = <log pk> \\ \text{ELBO} = <elbo> $$
        q(k | x) is certain of one k, so its entropy is 0 and nothing is drawn. What is lost is what other codes would
        have added: −log p(k | x).""",
    VQVAE.loss: r"""All of it, as it is trained
        $$ \mathcal L = -\log p(x \mid z_q) - \log p(k) + \|\mathrm{sg}[z_e] - e_k\|^2
        + \beta \|z_e - \mathrm{sg}[e_k]\|^2 $$
        $$ \beta = <beta> \\ \mathcal L = <loss> $$
        The last term holds the encoder to the vectors, the one before it moves them, if no moving average does. No
        gradient passes a whole number: −log p(k) teaches the prior alone. Van den Oord et al. (2017), eq. 3.""",
}


def loss(arguments: Mapping[str, Any]) -> str:
    """The loss of a VQ-VAE with these hyperparameters, LaTeX, and what moves its vectors where no loss does."""
    follows = r"e_k \leftarrow \text{moving average of the } z_e \text{ that take it}"
    if arguments.get("codebook", "ema") == "straight-through":
        follows = r"{} + \| \mathrm{sg}[z_e] - e_k \|^2"
    bound = r"\mathcal L = -\log p(x \mid z_q) - \log p(k) + \beta \| z_e - \mathrm{sg}[e_k] \|^2"
    return rf"\begin{{gathered}} {bound} \\ {follows} \end{{gathered}}"


def theory(moment: Moment) -> None:
    """From a vector to a bound, with means over test examples."""
    terms, model = seen(numbers, moment), moment.model
    known = {name: measured(terms[name]) for name in ("code nll", "reconstruction", "elbo", "loss", "even")}
    known["log pk"] = measured(-terms["code nll"])
    known |= {name: measured(terms[name], unit="") for name in ("distance", "perplexity")}
    known |= {"K": str(model.config["codes"]), "beta": f"{model.commitment:g}"}
    average = AVERAGE if model.codebook.decay is not None else {}
    if average:
        known["gamma"] = f"{model.codebook.decay:g}"
    if not model.is_image:
        known["log p(x)"] = measured(terms["log p(x)"])
    show((CODES, average, MAPS if model.is_image else ONE, BOTH), known, SYMBOLS)
