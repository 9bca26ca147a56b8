"""genmodels: an open laboratory of deep generative models.

The library trains, samples and measures the models; it knows nothing of the screen.
Importing it is cheap: torch is imported by the modules that compute.
"""

__version__ = "0.1.0"
