"""The instruments of the flow, by the name of their tab."""

from pages._ui.shared.instruments import Instrument, of_images, of_points
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION
from pages._ui.views.flow.bits import bits, converter, curve
from pages._ui.views.flow.codes import gaussian, inverse, temperature
from pages._ui.views.flow.microscope import microscope

__all__ = ["INSTRUMENTS"]

INSTRUMENTS = {
    "Microscope": Instrument(
        microscope,
        "Play",
        "How does a flow turn data into noise?",
        "Scrub from the data to z, and back: every layer bends space, and none tears it.",
        of_points,
    ),
    "Temperature": Instrument(
        temperature, "Play", "What do samples of less noise look like?", "The same noise, longer and shorter."
    ),
    "Is z a Gaussian?": Instrument(
        gaussian,
        "Understand",
        "Is z a Gaussian?",
        "If the flow has learned the data, their codes cannot be told from noise. Look for the dimension that can.",
    ),
    "Dequantization": Instrument(
        bits,
        "Understand",
        "What does dequantization cost?",
        "One model, one set of images, and as many numbers as there are ways to count: two of them are no bounds.",
        of_images,
    ),
    "Curve": Instrument(
        curve,
        "Understand",
        "What does a pixel cost as the flow learns?",
        "The training in bits per dimension, beside pixels of which nothing is known.",
        of_images,
    ),
    "Out of distribution": OUT_OF_DISTRIBUTION,
    "Nats and bits": Instrument(
        converter,
        "Understand",
        "How many bits per dimension are these nats?",
        "It depends on what they are a density of.",
        of_images,
    ),
    "Inverse": Instrument(
        inverse,
        "When it fails",
        "Where is the way back lost?",
        "What is exact on paper is rounded at every layer. Look where the error is largest, and at what it does to "
        "log p(x).",
    ),
}
"""The instruments by the name of their tab."""
