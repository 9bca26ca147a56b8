"""Arrays → Plotly figures that stand still, in one visual language for light and dark pages.

Blue is the data, orange what a model makes, green latent space and prior, purple the posterior (Okabe & Ito's
colours, which colour-blind people can tell apart). A map of something that has a sign diverges around zero. Maps fade
to transparent, so that zero is the page itself. Every axis has a title, and a unit where there is one.
"""

from genmodels.figures.alt_text import described
from genmodels.figures.bands import Band, bands
from genmodels.figures.charts import bars, curves, histogram
from genmodels.figures.plane import arrows, density, mesh, points, signed
from genmodels.figures.style import (
    CLASSES,
    DATA,
    LATENT,
    NEUTRAL,
    POSTERIOR,
    RUNS,
    SAMPLES,
    Curve,
    Extent,
    Points,
    named,
    thin,
)

__all__ = [
    "CLASSES",
    "DATA",
    "LATENT",
    "NEUTRAL",
    "POSTERIOR",
    "RUNS",
    "SAMPLES",
    "Band",
    "Curve",
    "Extent",
    "Points",
    "arrows",
    "bands",
    "bars",
    "curves",
    "density",
    "described",
    "histogram",
    "mesh",
    "named",
    "points",
    "signed",
    "thin",
]
