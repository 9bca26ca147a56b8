"""The instruments that a model has for nothing: by what it can do."""

import math

from genmodels.models.capabilities import Decoder, Density, Encoder, has
from pages._ui.shared.instruments import Instrument
from pages._ui.shared.moment import Moment
from pages._ui.views.common.codes import dimensions, latent_map, path
from pages._ui.views.common.density import density
from pages._ui.views.common.neighbours import nearest_neighbours

__all__ = ["for_everybody", "of_a_density", "of_a_density_of_points", "of_a_latent_plane"]

FEW = 64  # dimensions that can be looked at one by one


def for_everybody(moment: Moment) -> dict[str, Instrument]:
    """The instruments that apply to any model that can do what ``moment``'s can, by the name of their tab."""
    return {name: one for name, one in EVERYBODY.items() if one.applies(moment)}


def of_a_density(moment: Moment) -> bool:
    """Whether the model has an exact density."""
    return has(moment.model, Density)


def of_a_density_of_points(moment: Moment) -> bool:
    """Whether the model has an exact density of points, which can be drawn."""
    return not moment.model.is_image and of_a_density(moment)


def of_a_latent_plane(moment: Moment) -> bool:
    """Its latent space is a plane."""
    return moment.model.latent_dim == 2


def _decodes(moment: Moment) -> bool:
    return has(moment.model, Decoder)


def _has_map(moment: Moment) -> bool:
    """Not of a flow of images, of whose hundreds of codes the first two say nothing."""
    model = moment.model
    return has(model, Decoder) and 2 <= model.latent_dim <= max(FEW, math.prod(model.shape) - 1)


def _has_few(moment: Moment) -> bool:
    """Of pictures, encoded by few enough numbers to look at each."""
    model = moment.model
    return has(model, Decoder) and has(model, Encoder) and model.is_image and model.latent_dim <= FEW


EVERYBODY = {
    "Density": Instrument(
        density,
        question="Which density has it learned?",
        before="Look for bridges where the data have a gap, and for what is left out.",
        applies=of_a_density_of_points,
    ),
    "Latent map": Instrument(
        latent_map, question="What does each code stand for?", before="Walk about on the map.", applies=_has_map
    ),
    "Path": Instrument(
        path,
        question="What lies between two codes?",
        before="Does all that lies between look like data?",
        applies=_decodes,
    ),
    "Dimensions": Instrument(
        dimensions,
        question="What does each latent dimension do?",
        before="A row that stays the same is a dimension that the decoder does not hear.",
        applies=_has_few,
    ),
    "Nearest neighbours": Instrument(
        nearest_neighbours,
        question="Has it learned its training data by heart?",
        before="Look for a sample that is one of its neighbours, up to a hair.",
    ),
}
"""By the name of their tab; each says itself to what it applies."""
