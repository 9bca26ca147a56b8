"""The instruments of the autoregressive model, by the name of their tab."""

from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.autoregressive import bits, drawing
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION

__all__ = ["INSTRUMENTS"]

INSTRUMENTS: dict[str, Instrument] = {
    "Pixel by pixel": Instrument(
        drawing.pixel_by_pixel,
        "Play",
        "How is it drawn, one after another?",
        "Each number is drawn when those before are known: when is it settled what it will be?",
    ),
    "Complete": Instrument(
        drawing.completions, "Play", "What could the missing part be?", "All of these are answers.", of_images
    ),
    "Where the bits are": Instrument(
        bits.where,
        question="Which pixels are hard to foresee?",
        before="Guess first: the ground, the middle of a stroke, or its edge?",
        applies=of_images,
    ),
    "What it sees": Instrument(
        bits.sight,
        question="On which pixels does the next one depend?",
        before="Move the pixel, and see how far back the network looks.",
        applies=of_images,
    ),
    "Out of distribution": OUT_OF_DISTRIBUTION,
    "Orders": Instrument(
        bits.compared,
        question="Does the order matter?",
        before="Any order can write down the same law. Guess which is learned most easily.",
        applies=of_images,
    ),
}
