"""The words of the field, once each: what tooltips and the glossary's page say, and what a hyperparameter is called."""

from collections.abc import Sequence

from genmodels.glossary.adversarial import ADVERSARIAL
from genmodels.glossary.common import COMMON
from genmodels.glossary.diffusion import DIFFUSION
from genmodels.glossary.exact import EXACT
from genmodels.glossary.labels import LABELS
from genmodels.glossary.latent import LATENT
from genmodels.glossary.term import Term

__all__ = ["GLOSSARY", "LABELS", "Term", "explained", "label"]

GLOSSARY: tuple[Term, ...] = tuple(
    sorted((*LATENT, *ADVERSARIAL, *DIFFUSION, *EXACT, *COMMON), key=lambda term: term.name.casefold())
)
"""In alphabetical order."""


def label(name: str) -> str:
    """The name of a hyperparameter on a page.

    >>> label("lr"), label("batch_size"), label("components")
    ('Learning rate', 'Batch size', 'Components')
    """
    return LABELS.get(name) or name[:1].upper() + name[1:].replace("_", " ")


def explained(name: str, options: Sequence[str] = ()) -> str:
    r"""The glossary's text on a hyperparameter and on those of its options that are words; "" where it has none.

    >>> explained("ema")[:24], explained("seed")
    ('Weight averaging: What i', '')
    >>> [line[:9] for line in explained("objective", ("minimax", "least-squares")).split("  \n")]
    ['Least squ', 'Minimax: ']
    """
    known = {name, *(f"{name}={option}" for option in options)}
    return "  \n".join(f"{term.name}: {term.meaning}" for term in GLOSSARY if known & set(term.settings))
