"""MODELS: the one registry. Adding a model is one file beside this one and one line here.

Nothing here imports torch: a menu, a command line's help or a page can list the models at once.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genmodels.errors import BadInput
from genmodels.text import quoted

if TYPE_CHECKING:
    from genmodels.models.base import GenerativeModel

__all__ = ["MODELS", "Entry", "model_class"]


@dataclass(frozen=True)
class Entry:
    """A model as navigation knows it: its name, the family it belongs to, its idea, and where its class is."""

    title: str
    family: str
    idea: str
    path: str

    @property
    def cls(self) -> "type[GenerativeModel]":
        """The class itself; importing it imports torch."""
        module, name = self.path.split(":")
        return getattr(importlib.import_module(module), name)


MODELS: dict[str, Entry] = {
    "vae": Entry(
        "Variational autoencoder",
        "Latent variables",
        "Compress each picture to a cloud of codes, and learn to draw from the codes.",
        "genmodels.models.vae:VAE",
    ),
    "ladder": Entry(
        "Ladder VAE",
        "Latent variables",
        "A VAE in storeys: the top says roughly what it is, and each layer below fills in what was left open.",
        "genmodels.models.latent.ladder:Ladder",
    ),
    "ppca": Entry(
        "PPCA and factor analysis",
        "Latent variables",
        "A few Gaussian factors, seen through a matrix and noise: a VAE in which everything is exact.",
        "genmodels.models.latent.linear_gaussian:LinearGaussian",
    ),
    "mixture": Entry(
        "Mixture of Gaussians",
        "Latent variables",
        "Say for each example which of a few Gaussians it is from, fit each to its own, and say it again.",
        "genmodels.models.latent.mixture:GaussianMixture",
    ),
    "autoencoder": Entry(
        "Autoencoder",
        "Latent variables",
        "Squeeze each picture through a few numbers and back; then find that nothing says which numbers to draw.",
        "genmodels.models.latent.autoencoder:Autoencoder",
    ),
    "vqvae": Entry(
        "VQ-VAE",
        "Latent variables",
        "Write each picture in a few words of a learned dictionary; then learn which words follow which.",
        "genmodels.models.vq.model:VQVAE",
    ),
    "flow": Entry(
        "Normalizing flow",
        "Exact likelihood",
        "Bend noise into data by steps that can be undone; then the density of every example is known.",
        "genmodels.models.flow:Flow",
    ),
    "ddpm": Entry(
        "Denoising diffusion",
        "Diffusion",
        "Learn to take a little noise away; then start from nothing but noise and take it all away.",
        "genmodels.models.ddpm:DDPM",
    ),
    "autoregressive": Entry(
        "Autoregressive model",
        "Exact likelihood",
        "Draw one pixel after another, each by how probable it is after all those before it.",
        "genmodels.models.autoregressive:Autoregressive",
    ),
    "gan": Entry(
        "Generative adversarial network",
        "Adversarial",
        "A forger learns from a detective who learns to see through the forgeries.",
        "genmodels.models.gan:GAN",
    ),
    "wgan": Entry(
        "Wasserstein GAN",
        "Adversarial",
        "A critic measures how far the samples must be carried to become the data; the generator brings them closer.",
        "genmodels.models.wgan:WGAN",
    ),
    "bigan": Entry(
        "Bidirectional GAN",
        "Adversarial",
        "A GAN that also learns the way back, from pictures to codes, without ever comparing two pictures.",
        "genmodels.models.bigan:BiGAN",
    ),
}


def model_class(name: str) -> "type[GenerativeModel]":
    """The class of the model ``name``.

    Raises:
        BadInput: If there is no such model.
    """
    if name not in MODELS:
        raise BadInput(f"There is no model {quoted(name)}: it may be {', '.join(MODELS)}.")
    return MODELS[name].cls
