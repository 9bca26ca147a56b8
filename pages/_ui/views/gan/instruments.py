"""The instruments that GAN, Wasserstein GAN and bidirectional GAN share, declared once for their pages."""

from pages._ui.page.instruments import Instrument, of_images, of_points
from pages._ui.views.gan import critics, game, missed, turns

__all__ = ["shared"]


def shared(
    critic: str, distances: str = "Exact distance", question: str = "How far are the samples from the data, exactly?"
) -> dict[str, Instrument]:
    """By name; ``critic`` is what this family calls it, ``distances`` what it calls the distance, and asks of it."""
    one_turn = "Let one of the two move, and see what the other's next move makes of it."
    believes = f"What does the {critic} believe, and where does it push the samples?"
    return {
        "Turn by turn": Instrument(turns.game, "Play", "What changes in one turn?", one_turn, of_points),
        "Latent": Instrument(
            game.latent,
            "Play",
            "What lies between two samples?",
            "Does all that lies between look like data?",
            of_images,
        ),
        "On the plane": Instrument(
            game.plane, question=believes, before="Follow the arrows: do they lead to the data?", applies=of_points
        ),
        "Critic lab": Instrument(
            critics.critics,
            question=f"How steep is the {critic}?",
            before="Then train five that differ in what holds their slope, and guess which covers every mode.",
        ),
        distances: Instrument(
            missed.distances,
            question=question,
            before="Each line carries a sample to a test point: look for the long ones.",
            applies=of_points,
        ),
        "Mode collapse": Instrument(
            missed.modes,
            "When it fails",
            "Which modes are left out?",
            "See what this training has covered; then make one collapse, and choose what mends it.",
            missed.has_modes,
        ),
    }
