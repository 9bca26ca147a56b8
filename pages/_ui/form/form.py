"""A widget for each hyperparameter, drawn from its one declaration. The values are in the URL: a link is a setting."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from genmodels.errors import BadInput
from genmodels.glossary import explained, label
from genmodels.hyperparameters import Between, Hyperparameter, Numbers, Only, declared
from pages._ui.form.lesson import is_shown

__all__ = ["as_text", "current", "fields_of", "hyperparameters", "keep_in_url", "put_right", "read_url"]

FIELD = 132  # width of a widget, CSS pixels


def hyperparameters(
    function: Callable[..., Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    names: Sequence[str] | None = None,
    prefix: str = "",
    in_url: bool = True,
    drawn: bool = True,
) -> dict[str, Any]:
    """One widget for each hyperparameter that ``function`` (or a class) declares.

    What the URL says is checked by the declaration; what is not allowed is named, and the default is taken.

    Args:
        function: What declares them.
        defaults: Other defaults than the declared ones.
        names: Which of them; all of them otherwise.
        prefix: Put before each name in the URL and in the widget's key, where two forms of a page share a name.
        in_url: Whether the values are in the URL.
        drawn: Whether there are widgets at all; without them the values are the URL's.

    Returns:
        The values by name.
    """
    known = declared(function)
    wanted = [known[name] for name in (known if names is None else names)]
    fields = {prefix + one.name: replace(one, default=(defaults or {}).get(one.name, one.default)) for one in wanted}
    values = fields_of(fields, in_url=in_url, drawn=drawn)
    return {one.name: values[prefix + one.name] for one in wanted}


# From a declaration to a widget ---------------------------------------------------------------------------------------


def fields_of(
    fields: Mapping[str, Hyperparameter], *, in_url: bool = True, width: int | str = FIELD, drawn: bool = True
) -> dict[str, Any]:
    """Draw the widgets of ``fields``, by key, and return their values; a lesson's link may leave some out."""
    if in_url:
        read_url(fields)
    left_out = [key for key in fields if not drawn or (in_url and not is_shown(key))]
    values = {key: fields[key].check(current(key, fields[key], in_url=in_url)) for key in left_out}
    if len(left_out) < len(fields):
        with st.container(horizontal=True, gap="xsmall"):
            for key, one in fields.items():
                if key not in values:
                    values[key] = _field(key, one, in_url, width)
    return values


def _field(key: str, one: Hyperparameter, in_url: bool, width: int | str) -> Any:
    choices = one.rule.options if isinstance(one.rule, Only) else ()
    help = "  \n".join(part for part in (one.help, explained(one.name, choices)) if part)
    bind: Any = "query-params" if in_url else None
    common = {"label": label(one.name), "key": key, "help": help, "bind": bind, "width": width}
    match one.rule:
        case Between() as rule if rule.log:
            options = _grid(one, current(key, one, in_url=in_url))
            return st.select_slider(options=options, value=one.default, format_func=as_text, **common)
        case Between() as rule:
            kind = one.type
            limits = {"min_value": kind(rule.low), "max_value": kind(rule.high), "value": kind(one.default)}
            step = _step(one)
            if step is not None:
                return st.slider(**limits, step=step, **common)
            return st.number_input(
                **limits, step=1 if kind is int else None, format=None if kind is int else "%g", **common
            )
        case Only(options) if len(options) <= 3 and sum(map(len, options)) <= 14:
            return st.segmented_control(
                options=options, default=one.default, required=True, **common | {"width": "content"}
            )
        case Only(options):
            return st.selectbox(options=options, index=options.index(one.default), **common)
        case Numbers():
            return _row(one, st.text_input(value=as_text(one.default), **common))
        case _:
            return st.toggle(value=one.default, **common | {"width": "content"})


def _row(one: Hyperparameter, text: str) -> Any:
    """The numbers in a field of text."""
    try:
        return one.check(text)
    except BadInput as error:
        st.warning(f"{error} Its default is used.")
        return one.default


def _step(one: Hyperparameter) -> int | float | None:
    """The step of a slider, or None where a slider would be too coarse."""
    assert isinstance(one.rule, Between)
    span = one.rule.high - one.rule.low
    if one.type is int:
        return 1 if span <= 200 else None
    step = 10.0 ** (math.floor(math.log10(span)) - 2)
    exact = all(abs(x / step - round(x / step)) < 1e-6 for x in (one.rule.low, one.rule.high, one.default))
    return step if span <= 10 and exact else None


def _grid(one: Hyperparameter, current: Any) -> list[Any]:
    """The stops of a logarithmic slider: powers of two, or 1, 2 and 5 in each decade; and what is set now."""
    assert isinstance(one.rule, Between)
    low, high = one.rule.low, one.rule.high
    if one.type is int:
        stops = {2**k for k in range(0, 32)}
    else:
        stops = {float(f"{m}e{e}") for e in range(-9, 9) for m in (1, 2, 5)}
    inside = {x for x in stops if low <= x <= high} | {one.type(low), one.type(high), one.default, current}
    return sorted(one.type(x) for x in inside)


def as_text(value: Any) -> str:
    """A value as the URL has it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.10g}"
        case tuple() | list():
            return ",".join(as_text(float(one)) for one in value)
        case _:
            return str(value)


# The URL --------------------------------------------------------------------------------------------------------------


def read_url(fields: Mapping[str, Hyperparameter]) -> None:
    """Before the widgets first read the URL: put it right, and name what was wrong until another value is chosen."""
    put_right(fields)
    _say_what_was_wrong(fields)


def put_right(fields: Mapping[str, Hyperparameter]) -> None:
    """Correct the form's fields: other spellings of a value are read, and values that are not allowed taken out."""
    for key in fields:
        if key not in st.session_state or isinstance(fields[key].rule, Numbers):
            continue  # what was typed for a number stays, and its widget says what is wrong with it
        try:
            fields[key].check(st.session_state[key])
        except BadInput:
            del st.session_state[key]  # of a setting of the same name on the page before
    said = {key: st.query_params[key] for key in fields if key in st.query_params and key not in st.session_state}
    wrong, right = {}, {}
    for key, text in said.items():
        try:
            right[key] = as_text(fields[key].check(text))
        except BadInput as error:
            wrong[key] = f"The link says {error} Its default, {as_text(fields[key].default)}, is used."
    st.session_state.setdefault("wrong_in_url", {}).update(wrong)
    for key in wrong:
        del st.query_params[key]
    respelt = {key: text for key, text in right.items() if text != said[key]}
    if respelt:
        st.query_params.update(respelt)
    if wrong or respelt:
        st.rerun()


def keep_in_url(values: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Put values set without a widget, by a preset say, into the URL as a widget does, unless they are as ``usual``.

    A widget of the run before still holds its part of the URL, and lets go of it at the end of this one.
    """
    for key in values:
        if key not in st.session_state:
            continue
        with suppress(StreamlitAPIException):
            if (text := as_text(values[key])) == as_text(usual[key]):
                st.query_params.pop(key, None)
            elif st.query_params.get(key) != text:
                st.query_params[key] = text


def current(key: str, one: Hyperparameter, *, in_url: bool = True) -> Any:
    """The value that a widget is about to show; the URL counts for one that is ``in_url``."""
    text = st.query_params.get(key) if in_url else None
    return st.session_state.get(key, one.default if text is None else one.check(text))


def _say_what_was_wrong(fields: Mapping[str, Hyperparameter]) -> None:
    wrong = st.session_state.get("wrong_in_url", {})
    for key, one in fields.items():
        if key in wrong and as_text(st.session_state.get(key, one.default)) == as_text(one.default):
            st.warning(wrong[key])
        else:
            wrong.pop(key, None)
