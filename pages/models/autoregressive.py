"""The autoregressive model: draw an image pixel by pixel, and know exactly what each pixel costs."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.autoregressive import bits, drawing, theory
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION

st.title(MODELS["autoregressive"].title)
st.write(
    "A network is shown the pixels before and says how probable each value of the next one is; the product of all "
    "these is the probability of the image. It is exact, so it is what every bound can be held against."
)
page(
    "autoregressive",
    objective=r"\log p(x) = \sum_{i=1}^{D} \log p(x_i \mid x_1, \ldots, x_{i-1})",
    first=("network", "pixels", "order", "classes"),
    opens="autoregressive-mnist-pixelcnn",
    units={"loss": "nats", "bpd": "bits per pixel"},
    panels=("loss", "bpd"),
    explore={
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
    },
    theory=theory.theory,
)
