"""The instruments of GAN, Wasserstein GAN and bidirectional GAN, by the name of their tab; most they share."""

from pages._ui.shared.instruments import Instrument, of_images, of_points
from pages._ui.views.gan import bigan, critics, game, missed, turns

__all__ = ["BIGAN", "shared"]


def shared(
    critic: str, distances: str = "Exact distance", question: str = "How far are the samples from the data, exactly?"
) -> dict[str, Instrument]:
    """By name; ``critic`` is what this family calls it, ``distances`` what it calls the distance, and asks of it."""
    one_turn = "Let one of the two move, and see what the other's next move makes of it."
    between = "Does all that lies between look like data?"
    believes = f"What does the {critic} believe, and where does it push the samples?"
    follow = "Follow the arrows: do they lead to the data?"
    five = "Then train five that differ in what holds their slope, and guess which covers every mode."
    ways = "Each line carries a sample to a test point: look for the long ones."
    mend = "See what this training has covered; then make one collapse, and choose what mends it."
    return {
        "Turn by turn": Instrument(turns.game, "Play", "What changes in one turn?", one_turn, of_points),
        "Latent": Instrument(game.latent, "Play", "What lies between two samples?", between, of_images),
        "On the plane": Instrument(game.plane, "Understand", believes, follow, of_points),
        "Critic lab": Instrument(critics.critics, "Understand", f"How steep is the {critic}?", five),
        distances: Instrument(missed.distances, "Understand", question, ways, of_points),
        "Mode collapse": Instrument(missed.modes, "When it fails", "Which modes are left out?", mend, missed.has_modes),
    }


BIGAN = {
    "There and back": Instrument(
        bigan.there_and_back,
        "Play",
        "Do E and G undo each other, although no loss ever compared the two?",
        "Look for pairs of which the second is another example of the same kind.",
    ),
    "Draw a digit": Instrument(
        bigan.drawn,
        "Play",
        "What does it make of your digit?",
        "Draw one: what comes back is what the generator makes of the code that the encoder gives it.",
        of_images,
    ),
    **{name: one for name, one in shared("discriminator").items() if name != "Critic lab"},
}
