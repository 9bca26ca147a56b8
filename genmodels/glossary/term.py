"""One word of the glossary."""

from dataclasses import dataclass

__all__ = ["Term"]


@dataclass(frozen=True)
class Term:
    """A term of the field, explained.

    Attributes:
        name: As the field writes it.
        meaning: One or two sentences, for somebody who meets it for the first time.
        notation: As the sources write it, LaTeX; "" where it has none.
        source: Where it comes from, with the address.
        settings: The hyperparameters that it explains, or one of their options: "codes", "predict=v".
    """

    name: str
    meaning: str
    notation: str = ""
    source: str = ""
    settings: tuple[str, ...] = ()
