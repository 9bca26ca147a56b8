"""The instruments of the ladder VAE, PPCA, the mixture and the autoencoder, by the name of their tab."""

from functools import partial

from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.common import codes
from pages._ui.views.common.density import density
from pages._ui.views.common.everybody import of_a_density_of_points
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION
from pages._ui.views.latent import autoencoder, ladder
from pages._ui.views.latent.em import step_by_step
from pages._ui.views.latent.estimates import ESTIMATES
from pages._ui.views.latent.likelihood import LIKELIHOOD, MAP
from pages._ui.views.latent.subspace import subspace
from pages._ui.views.vae import bound

__all__ = ["AUTOENCODER", "LADDER", "MIXTURE", "PPCA"]

LADDER: dict[str, Instrument] = {
    "Held layers": Instrument(
        ladder.held,
        "Play",
        "Which layer decides what?",
        "From row to row one more layer is the same for all: guess what will still differ in the last one.",
    ),
    "Top map": Instrument(
        codes.latent_map,
        "Play",
        "What does each code of the top stand for?",
        "Each layer below is at the mean that those above it expect: walk about, and see how much the top decides.",
        lambda moment: moment.model.latent_dim >= 2,
    ),
    "KL by layer": Instrument(
        ladder.layers,
        question="How much does each layer say?",
        before="Guess which of the layers says most, and whether any says nothing.",
    ),
    "From the top": Instrument(
        ladder.upper,
        question="What do the upper layers know of an example?",
        before="Read downwards: what comes back from the top alone, and what does each layer add?",
    ),
    "The bound": Instrument(
        bound.ladder,
        question="How far is the ELBO below log p(x)?",
        before="Guess first: how many nats does the bound rise when a thousand ways down are averaged?",
    ),
    "Dimensions": Instrument(
        codes.dimensions,
        "Play",
        "What does each dimension of the top do?",
        "A row that stays the same is a dimension that nothing below hears.",
        of_images,
    ),
    "Out of distribution": OUT_OF_DISTRIBUTION,
}

PPCA: dict[str, Instrument] = {
    "Subspace": Instrument(
        subspace,
        question="Which directions has it found?",
        before="Is it what varies most? Of a run that has kept its first moments, see which directions come first.",
    ),
    "EM": Instrument(
        step_by_step,
        "Play",
        "How does EM get there?",
        "Step through EM from this moment, or from fresh parameters, and watch where the bound touches.",
    ),
    "p(x)": Instrument(
        partial(density, about="p(x) is one Gaussian: no samples, no estimate."),
        question="Which density has it learned?",
        before="One ellipse is all that it can be: what of the data does it get right?",
        applies=of_a_density_of_points,
    ),
    "Maximum likelihood": LIKELIHOOD,
    "MAP": MAP,
    "Estimates of log p(x)": ESTIMATES,
}

MIXTURE: dict[str, Instrument] = {
    "EM": Instrument(
        step_by_step,
        "Play",
        "Who is responsible for which point?",
        "Step through EM from this moment, or from fresh parameters, and watch where the bound touches.",
    ),
    "p(x)": Instrument(
        partial(density, about="p(x) = Σ π N(x; μ, Σ), a finite sum: no samples, no estimate."),
        question="Which density has it learned?",
        before="Look for the ellipses in it, and for what no ellipse can follow.",
        applies=of_a_density_of_points,
    ),
    "Maximum likelihood": LIKELIHOOD,
    "MAP": MAP,
}

AUTOENCODER: dict[str, Instrument] = {
    "Beside a VAE": Instrument(
        autoencoder.beside,
        question="What does a VAE have that an autoencoder has not?",
        before="Guess first: whose reconstructions are better, and whose drawn codes?",
    ),
}
