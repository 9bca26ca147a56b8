"""The instruments of the VQ-VAE, by the name of their tab."""

from pages._ui.shared.instruments import Instrument, of_images, of_points
from pages._ui.views.vq import codebook, maps

__all__ = ["INSTRUMENTS"]

INSTRUMENTS: dict[str, Instrument] = {
    "Codebook": Instrument(
        codebook.book,
        question="What does each code stand for, and how often?",
        before="How many of them are in use, and how evenly? The curve of codes in use says how it came to that.",
        applies=of_images,
    ),
    "Cells": Instrument(
        codebook.cells,
        question="Which points have the same code?",
        before="Where a run has kept its first moments, go back to them: the cells move to where the data are.",
        applies=of_points,
    ),
    "Codes of a picture": Instrument(
        maps.changed,
        "Play",
        "What happens when one code is changed?",
        "Choose a place, and click on another code for it: how far does the change reach?",
        applies=of_images,
    ),
    "Fewer codes": Instrument(
        codebook.fewer,
        question="How many codes does it need?",
        before="Guess first: with half of the codes, how much worse is what is restored?",
    ),
    "Why a prior": Instrument(
        maps.with_and_without,
        question="Why does it need a prior over its codes?",
        before="Guess first: what does the decoder make of codes that are drawn one by one?",
        applies=of_images,
    ),
}
