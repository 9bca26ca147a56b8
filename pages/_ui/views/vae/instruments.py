"""The instruments of the VAE, by the name of their tab."""

from functools import partial

from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.common import codes
from pages._ui.views.common.density import density
from pages._ui.views.common.everybody import of_a_density, of_a_density_of_points, of_a_latent_plane
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION
from pages._ui.views.latent.gradients import GRADIENTS
from pages._ui.views.latent.linear_vae import LINEAR
from pages._ui.views.latent.refinement import REFINEMENT
from pages._ui.views.vae import bound, collapse, drawing, geometry, priors

__all__ = ["INSTRUMENTS"]

INSTRUMENTS: dict[str, Instrument] = {
    "Manifold": Instrument(
        codes.latent_map,
        "Play",
        "What does each code stand for?",
        "Walk about: where do kinds pass into each other?",
    ),
    "Draw a digit": Instrument(
        drawing.drawn,
        "Play",
        "Does it know your handwriting?",
        "Draw one as you write it, then one as nobody does: what comes back, and how likely is each?",
        of_images,
    ),
    "Path": Instrument(
        codes.path,
        "Play",
        "What lies between two examples?",
        "Choose two that are unlike each other: does all that lies between look like data?",
    ),
    "Dimensions": Instrument(
        codes.dimensions,
        "Play",
        "What does each latent dimension do?",
        "A row that stays the same is a dimension that the decoder does not hear.",
        of_images,
    ),
    "Reconstructions": Instrument(
        bound.reconstructions,
        question="What gets lost on the way through the code?",
        before="Guess which examples come back worst.",
    ),
    "The bound": Instrument(
        bound.ladder,
        question="How far is the ELBO below log p(x)?",
        before="Guess first: with how many draws of z does the bound come within a nat of log p(x)?",
    ),
    "Prior and posterior": Instrument(
        priors.prior_and_posterior,
        question="Do the codes lie where the prior says?",
        before="Look for places that the prior holds likely and no code reaches: from there come bad samples.",
        applies=of_a_latent_plane,
    ),
    "How the prior draws": Instrument(
        priors.denoised_prior,
        question="How does a diffusion draw a code?",
        before="Green: noise that becomes codes. Purple: where examples are encoded. When is it clear which digit?",
        applies=lambda moment: moment.model.config["prior"] == "diffusion",
    ),
    "p(x)": Instrument(
        partial(density, about="p(x) = ∫ p(x | z) p(z) dz, by a sum over a grid of z: no samples, no estimate."),
        question="Which density has it learned?",
        before="Look for bridges where the data have a gap, and for what is left out.",
        applies=of_a_density_of_points,
    ),
    "True posterior": Instrument(
        geometry.posteriors,
        question="How good is the encoder's guess?",
        before="Where the colours leave the lines, the guess is wrong, and the bound pays for it.",
        applies=of_a_density,
    ),
    "Shapes": Instrument(
        geometry.shapes,
        question="How does the decoder bend the plane?",
        before="Look for the borders, where a small step of z changes the picture much.",
        applies=of_a_latent_plane,
    ),
    "Four priors": Instrument(
        priors.four_priors,
        question="Which prior suits the codes?",
        before="Guess which of the four lies closest over its codes.",
    ),
    "Collapse": Instrument(
        collapse.collapse,
        "When it fails",
        "When does the code say nothing?",
        "A dimension whose KL is 0 says nothing of x. Make it happen, then choose a cure.",
    ),
    "Linear VAE": LINEAR,
    "Two gradients": GRADIENTS,
    "Refine q": REFINEMENT,
    "Out of distribution": OUT_OF_DISTRIBUTION,
    "Close the gap": Instrument(
        bound.close_the_gap,
        "When it fails",
        "What does a quick encoder cost?",
        "Guess how far the ELBO of this one example rises when its code is sought for it alone.",
    ),
}
