"""How samples are to come into being: how many, from which seed, of which class, and with the model's own options."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from genmodels.hyperparameters import declared
from genmodels.instruments.samples import options
from pages._ui.form import url_widgets
from pages._ui.form.form import current, hyperparameters, put_right
from pages._ui.shared.moment import Moment

__all__ = ["asked", "how"]


def asked(moment: Moment, n: int, counts: Sequence[int] = ()) -> dict[str, Any]:
    """The visitor's choice as arguments of an instrument: "n" (of ``counts``), "seed", "how", perhaps "label"."""
    classes = int(moment.model.config["classes"])
    names = ["any", *moment.data.classes][: classes + 1]
    with st.container(horizontal=True, gap="small"):
        if counts:
            n = url_widgets.choice("samples", counts, n, key="film_n")
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="film_seed")
        label = url_widgets.choice_of_many("class", names, key="film_label") if classes else "any"
    wanted = {"n": n, "seed": seed, "how": how(moment, "film_")}
    return wanted if label == "any" else wanted | {"label": names.index(label) - 1}


def how(moment: Moment, prefix: str) -> dict[str, Any]:
    """The visitor's choice of the model's own options, those that count as the others and the model stand.

    Their names in the URL have the ``prefix``.
    """
    model, declares = moment.model, options(type(moment.model))
    fields = {prefix + name: one for name, one in declared(declares).items()}
    put_right(fields)
    now = {one.name: current(key, one) for key, one in fields.items()}
    now |= model.config | {"kind": "images" if model.is_image else "plane"}
    return hyperparameters(declares, names=[one.name for one in fields.values() if one.counts(now)], prefix=prefix)
