"""Widgets whose value is in the URL. What a link says and a widget does not allow is named, and its default is used."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import streamlit as st

from genmodels.hyperparameters import Between, Hyperparameter, Only, Switch
from genmodels.text import quoted
from pages._ui.form.form import read_url

__all__ = ["choice", "choice_of_many", "number", "real", "several", "slider", "some_of_many", "switch"]

SEEDS = 2**31 - 1

Width = int | Literal["stretch"]
Option = TypeVar("Option", str, int)


def number(label: str, low: int, high: int, value: int, *, key: str, width: Width = 150) -> int:
    """A whole number from ``low`` to ``high``, to be typed."""
    read_url({key: Hyperparameter(key, int, value, Between(low, high, label))})
    return int(st.number_input(label, low, high, value, key=key, bind="query-params", width=width))


def real(label: str, low: float, high: float, value: float, *, key: str, width: Width = 150) -> float:
    """A number from ``low`` to ``high``, to be typed."""
    read_url({key: Hyperparameter(key, float, value, Between(low, high, label))})
    return float(st.number_input(label, low, high, value, key=key, bind="query-params", width=width))


def slider(label: str, low: int, high: int, value: int, *, key: str, width: Width = "stretch") -> int:
    """A whole number from ``low`` to ``high``, to be dragged."""
    read_url({key: Hyperparameter(key, int, value, Between(low, high, label))})
    return int(st.slider(label, low, high, value, key=key, bind="query-params", width=width))


def choice(label: str, options: Sequence[Option], default: Option, *, key: str, bare: bool = False) -> Option:
    """A choice of one of a few, side by side; ``bare``: without the label, which only those hear who cannot see it."""
    texts = tuple(str(option) for option in options)
    read_url({key: Hyperparameter(key, str, str(default), Only(texts, label))})
    seen: Literal["collapsed", "visible"] = "collapsed" if bare else "visible"
    found = st.segmented_control(
        label, options, default=default, key=key, bind="query-params", required=True, label_visibility=seen
    )
    assert found is not None
    return found


def choice_of_many(label: str, options: Sequence[str], *, key: str, width: Width = 150) -> str:
    """A choice of one of many, at first the first, in a list that opens."""
    read_url({key: Hyperparameter(key, str, options[0], Only(tuple(options), label))})
    return st.selectbox(label, options, key=key, bind="query-params", width=width)


def several(label: str, options: Sequence[str], default: Sequence[str], *, key: str) -> list[str]:
    """Some of a few; a link may have them between commas, too. What it names in vain is said, and left out."""
    texts = st.query_params.get_all(key)
    said = [name.strip() for text in texts for name in text.split(",")]
    right = [name for name in options if name in said]
    wrong = st.session_state.setdefault("wrong_in_url", {})
    if key not in st.session_state and sorted(right) != sorted(texts):
        if unknown := ", ".join(name for name in said if name not in options):
            wrong[key] = f"The link says {key} = {quoted(unknown)}: they may be {', '.join(options)}."
        st.query_params[key] = right
        st.rerun()
    chosen = st.pills(
        label,
        options,
        default=default,
        selection_mode="multi",
        key=key,
        bind="query-params",
        on_change=lambda: wrong.pop(key, None),
    )
    if key in wrong:
        st.warning(wrong[key])
    return [name for name in options if name in chosen]


def some_of_many(
    label: str,
    options: Sequence[str],
    default: Sequence[str],
    *,
    url: str,
    key: str,
    told: Callable[[str], str] = str,
    most: int | None = None,
    width: Width = "stretch",
) -> list[str]:
    """Some of many, in a list that opens; ``url`` has them between commas, unless they are the default.

    What the link names in vain is left out.

    Args:
        label: What is chosen.
        options: Of which.
        default: Those that are chosen where the link says nothing.
        url: The name in the link.
        key: Identity of the widget: another where the options are others.
        told: How an option is told to people.
        most: So many at most.
        width: Of the list.
    """
    own = ",".join(default)
    usual = [name for name in st.query_params.get(url, own).split(",") if name in options][:most]
    chosen = st.multiselect(label, options, usual, format_func=told, max_selections=most, key=key, width=width)
    if (said := ",".join(chosen)) != own:
        st.query_params[url] = said
    else:
        st.query_params.pop(url, None)
    return chosen


def switch(label: str, value: bool, *, key: str, help: str) -> bool:
    """A switch whose state is in the URL."""
    read_url({key: Hyperparameter(key, bool, value, Switch(help))})
    return st.toggle(label, value=value, key=key, bind="query-params", help=help)
