"""What a training logs: each quantity declared once, with its name for people, its unit and how its curve is read.

A model logs whatever terms it likes; those that are not declared here are shown under their own names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["QUANTITIES", "Quantity", "quantity"]


@dataclass(frozen=True)
class Quantity:
    """A quantity that a training logs.

    Attributes:
        title: Its name for people.
        unit: Of its axis; "" for a pure number.
        about: What it is, one sentence.
        better: "higher" or "lower"; "" where neither is.
        healthy: What a healthy curve does, one sentence.
    """

    title: str
    unit: str = ""
    about: str = ""
    better: str = ""
    healthy: str = ""

    @property
    def explained(self) -> str:
        """All of it in a line or two; "" where nothing is declared."""
        better = {"higher": "Higher is better.", "lower": "Lower is better."}.get(self.better, "")
        return " ".join(part for part in (self.about, better, self.healthy) if part)


def _error(quarter: str) -> Quantity:
    return Quantity(
        f"Error at {quarter} noise",
        "per dimension",
        f"Mean squared error of the predicted noise, over the quarter of the steps t with {quarter} noise.",
        "lower",
        "It falls and levels off; the quarters lie in the order of their noise, for much noise is easy to recognise.",
    )


def _gradient(player: str) -> Quantity:
    whose = f" of the {player}" if player else ""
    about = f"The length of the gradient of the loss{whose}."
    return Quantity(f"Gradient norm{whose}", "", about, "", "No spikes, and no drift towards 0.")


def _layer(layer: int) -> Quantity:
    return Quantity(
        f"KL of z{layer}",
        "nats",
        f"What layer {layer} of a ladder, counted from x upwards, tells of an example beyond what those above it told.",
        "",
        "The lowest layers rise first; one that stays at 0 is not used.",
    )


QUANTITIES: Mapping[str, Quantity] = {
    "loss": Quantity("Loss", "", "What the training makes small.", "lower", "It falls fast, then ever more slowly."),
    "elbo": Quantity(
        "ELBO",
        "nats",
        "Evidence lower bound: on average at most log p(x).",
        "higher",
        "It climbs fast, then slowly; a held-out curve that turns down is overfitting.",
    ),
    "nll": Quantity(
        "Negative log-likelihood",
        "nats",
        "−log p(x) of an example, exact, beside a loss that also has a prior on the parameters.",
        "lower",
        "It falls; a held-out curve that turns up is overfitting.",
    ),
    "bpd": Quantity(
        "Bits per dimension",
        "bits/dim",
        "What an example costs to code, −log₂ p(x) / D, or the bound on it that dequantization gives.",
        "lower",
        "It falls fast, then slowly; held out it stays close to the training's.",
    ),
    "bpd of noised images": Quantity(
        "Bits per dimension of noised images",
        "bits/dim",
        "−log₂ of the density of images with Gaussian noise, less the entropy of that noise: no bound on the images'.",
        "lower",
        "It falls; it cannot stand beside bits per dimension of another noise.",
    ),
    "reconstruction": Quantity(
        "Reconstruction",
        "nats",
        "How likely the decoder finds an example given its own code, E[log p(x | z)].",
        "higher",
        "It climbs through the whole training.",
    ),
    "reconstruction error": Quantity(
        "Reconstruction error",
        "squared error",
        "How far an example is from G(E(x)); no loss ever compares the two.",
        "lower",
        "It falls although nothing asks for it, and stays above 0.",
    ),
    "squared error": Quantity(
        "Squared error",
        "data units²",
        "How far what comes back is from the example, ‖x − D(E(x))‖².",
        "lower",
        "It falls fast, then slowly; a held-out curve that turns up is overfitting.",
    ),
    "code size": Quantity(
        "Size of the codes",
        "",
        "The absolute sum of a code, ‖E(x)‖₁.",
        "",
        "Without a penalty it goes where it likes; with one it falls, and more codes are near 0.",
    ),
    "code nll": Quantity(
        "−log p(k) of the codes",
        "nats",
        "What the codes of an example cost under their prior, exact.",
        "",
        "It falls from (places) · log K as the prior learns, and may rise while more codes come into use.",
    ),
    "distance": Quantity(
        "Distance to the codebook",
        "squared distance",
        "How far what is encoded is from the nearest vectors, ‖z − e‖², summed over the places.",
        "",
        "It jumps up while the codes spread, then falls; rising without end, the encoder runs away: raise β.",
    ),
    "perplexity": Quantity(
        "Perplexity of the codes",
        "codes",
        "exp of the entropy of how often each code occurs: of how many codes an even use would be as uncertain.",
        "higher",
        "It climbs towards K; near 1 the codebook has collapsed.",
    ),
    "codes in use": Quantity(
        "Codes in use",
        "share",
        "The share of the codebook that occurs in a batch at all.",
        "higher",
        "It climbs to 1; what stays unused is lost.",
    ),
    "kl": Quantity(
        "KL(q(z | x) ‖ p(z))",
        "nats",
        "What the code of an example tells beyond the prior.",
        "",
        "It rises from 0 and levels off; a curve that stays at 0 is posterior collapse.",
    ),
    **{f"kl_{layer}": _layer(layer) for layer in range(1, 6)},
    "beta": Quantity("KL weight β", "", "The weight of the KL in the loss, while it is annealed."),
    "iwae": Quantity("IWAE", "nats", "A tighter bound on log p(x), of several samples.", "higher", "Above the ELBO."),
    "discriminator_loss": Quantity(
        "Discriminator loss",
        "",
        "How badly the discriminator tells data from samples, and its penalties. A guess costs log 4 = 1.39; if "
        "relativistic, log 2 = 0.69; if by least squares, 0.25.",
        "",
        "It settles a little below that. At 0 the discriminator has won, and the generator learns nothing.",
    ),
    "generator_loss": Quantity(
        "Generator loss",
        "",
        "What the generator makes small: how badly it fools its opponent, who changes all the time.",
        "",
        "It wanders without a trend: it is no measure of quality.",
    ),
    "critic_loss": Quantity(
        "Critic loss",
        "units of x",
        "Minus the critic's estimate of the distance, plus the penalty.",
        "",
        "It drops first, then rises towards 0 as samples come closer.",
    ),
    "D(real)": Quantity(
        "D(real)",
        "probability",
        "The chance of being data that the discriminator gives to data.",
        "",
        "It comes down to about ½ from above.",
    ),
    "D(fake)": Quantity(
        "D(fake)",
        "probability",
        "The chance of being data that the discriminator gives to samples.",
        "",
        "It comes up to about ½ from below; near 0 the discriminator has won.",
    ),
    "value": Quantity(
        "Game value V(D, G)",
        "nats",
        "What the discriminator makes large and the generator small.",
        "",
        "It comes to −log 4 = −1.39 where samples cannot be told from data.",
    ),
    "push": Quantity(
        "Strength of the generator's gradient",
        "per unit of score",
        "How strongly the generator's loss answers a change of a sample's score.",
        "",
        "It stays away from 0: at 0 the generator learns nothing.",
    ),
    "R1": Quantity(
        "R1, ½ squared slope at data",
        "(score per unit of x)²",
        "Half the squared length of the discriminator's gradient at data; its weight is r1.",
        "",
        "It comes down with the samples' distance: where data and samples agree, a flat discriminator is the best.",
    ),
    "R2": Quantity(
        "R2, ½ squared slope at samples",
        "(score per unit of x)²",
        "Half the squared length of the discriminator's gradient at samples; its weight is r2.",
        "",
        "As R1: it comes down as the samples arrive.",
    ),
    "wasserstein": Quantity(
        "Wasserstein estimate",
        "units of x",
        "How far, on average, samples must be carried to become data, as the critic has it.",
        "lower",
        "It jumps up while the critic learns, then falls towards 0; on the plane the exact distance stands beside it.",
    ),
    "penalty": Quantity(
        "Gradient penalty",
        "",
        "How far the critic's slope is from 1, squared; the loss weighs it by λ.",
        "lower",
        "Small beside the estimate.",
    ),
    "gradient norm": Quantity(
        "Slope of the critic",
        "score per unit of x",
        "The length of the critic's gradient between data and samples.",
        "",
        "Near 1: then the critic measures a distance.",
    ),
    "vlb": Quantity(
        "Bound that trains Σ",
        "nats/dim",
        "The variational bound at one random step an example; a thousandth of it trains the learned variance.",
        "lower",
        "It falls fast, and stays noisy: most of it is paid at few steps.",
    ),
    "mse_t1": _error("low"),
    "mse_t2": _error("medium-low"),
    "mse_t3": _error("medium-high"),
    "mse_t4": _error("high"),
    "gradient": _gradient(""),
    "discriminator_gradient": _gradient("discriminator"),
    "generator_gradient": _gradient("generator"),
    "critic_gradient": _gradient("critic"),
}


def quantity(name: str, unit: str = "") -> Quantity:
    """The declaration of the term ``name``; ``unit`` where a model says it of its own term.

    >>> quantity("mse_t1").title, quantity("nll_nats").unit, quantity("my_term").title
    ('Error at low noise', 'nats', 'My term')
    """
    known = QUANTITIES.get("reconstruction error" if (name, unit) == ("reconstruction", "squared error") else name)
    if known is not None:
        return Quantity(known.title, unit or known.unit, known.about, known.better, known.healthy)
    ending = "nats" if name.endswith("_nats") else "bits/dim" if name.endswith("bpd") else ""
    return Quantity(name[:1].upper() + name[1:].replace("_", " "), unit or ending)
