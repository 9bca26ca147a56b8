"""The instruments of the diffusion model, by the name of their tab."""

from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.diffusion import bits, bound, denoising, edits, hierarchy, langevin, plane

__all__ = ["INSTRUMENTS"]

INSTRUMENTS: dict[str, Instrument] = {
    "Forward": Instrument(
        denoising.forward,
        "Play",
        "How do data become noise?",
        "Guess from which t on nobody can tell what it was; then scrub.",
    ),
    "Denoise": Instrument(
        denoising.denoise,
        "Play",
        "How does noise become data?",
        "Watch x̂₀, what the network takes to be behind the noise: when does it know what it will be?",
    ),
    "Edit": Instrument(
        edits.edit,
        "Play",
        "What else can a denoiser do to a picture?",
        "Noise a real picture a little or a lot, and see what comes back.",
        of_images,
    ),
    "Samplers": Instrument(
        denoising.samplers,
        question="How few steps are enough?",
        before="All begin with the same noise. Guess which needs the fewest steps before you compare them.",
    ),
    "Plane": Instrument(
        plane.plane,
        question="Where does the learned score point?",
        before="Move t: in the noise arrows point to the middle of the data, near the data to what is nearest.",
        applies=plane.of_all_points,
    ),
    "Langevin": Instrument(
        langevin.langevin_walk,
        question="Is the score alone enough to sample?",
        before="All particles begin in one place. Guess how many reach the other modes; then let the noise fall.",
        applies=langevin.walks,
    ),
    "Bound": Instrument(
        bound.bound,
        question="What does each step cost?",
        before="Guess which steps cost most, those near the data or those near the noise; then compute the bound.",
    ),
    "Bits": Instrument(
        bits.bits,
        question="Where do the bits go?",
        before="Guess what share of them the last step takes, from hardly any noise to whole grey levels.",
        applies=of_images,
    ),
    "A deep VAE": Instrument(
        hierarchy.hierarchy,
        question="What has a diffusion in common with a VAE?",
        before="Both climb to latents and come down again. Guess which pays more at the top.",
        applies=of_images,
    ),
}
