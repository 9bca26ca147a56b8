"""The form, drawn from the one declaration of each hyperparameter. Its values are in the URL: a link is a setting."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import streamlit as st

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Hyperparameter, Numbers, Only, declared
from genmodels.models.base import GenerativeModel, Preset
from genmodels.training.settings import Settings
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.form import preset_time
from pages._ui.form.lesson import is_shown

__all__ = ["Chosen", "choose", "fields_of", "hyperparameters", "read_url", "strokes"]

COMMON = ("batch_size", "lr", "seed")  # settings that are always in sight, beside the length of the training
OWN = "own settings"
FIELD = 107  # width of a widget, CSS pixels


@dataclass(frozen=True)
class Chosen:
    """What a run is made of, as the form stands: what :func:`genmodels.runs.store.create` takes."""

    data: str
    data_arguments: dict[str, Any]
    arguments: dict[str, Any]
    settings: dict[str, Any]


def choose(
    cls: type[GenerativeModel], *, first: Sequence[str] | None = None, data: str = "digits", drawn: bool = True
) -> Chosen:
    """The whole form of a model: preset, data, the model's hyperparameters, the training's.

    It opens on the model's first preset, which is known to work.

    Args:
        cls: The model.
        first: The hyperparameters that are always in sight; the first four otherwise. The rest is one click away.
        data: The data set at first, where the model has no preset.
        drawn: Whether there are widgets; without them it is as the URL says.
    """
    opening = cls.presets[0] if cls.presets else Preset("", data)
    data, own = opening.data, opening.model
    usual = asdict(Settings.of({**cls.defaults, **opening.training}))
    names = list(declared(cls))
    key = Hyperparameter("data", str, data, Only(tuple(DATASETS), "what the model learns"))
    if not drawn:
        chosen = fields_of({"data": key}, drawn=False)["data"]
        model = hyperparameters(cls, defaults=own, drawn=False)
        return Chosen(chosen, {}, model, hyperparameters(Settings, defaults=usual, drawn=False))
    if is_shown("preset"):
        _presets(cls, opening)
    chosen = fields_of({"data": key}, width="stretch")["data"]
    if is_shown("data"):
        st.caption(DATASETS[chosen].about)
    arguments = strokes() if chosen == "drawing" else {}
    model = _model(cls, own, names[:4] if first is None else first, DATASETS[chosen].kind)
    settings = _training(usual)
    return Chosen(chosen, arguments, {name: model[name] for name in names}, {name: settings[name] for name in usual})


def _model(cls: type[GenerativeModel], own: Mapping[str, Any], first: Sequence[str], kind: str) -> dict[str, Any]:
    """The model's hyperparameters: widgets for those that count beside the others as they stand.

    The rest stays as it is declared, whatever the link says of it: nothing out of sight may be in the way.
    """
    known = {name: replace(one, default=own.get(name, one.default)) for name, one in declared(cls).items()}
    _put_right(known)
    now = {name: _current(name, one) for name, one in known.items()} | {"kind": kind}
    counting = [name for name, one in known.items() if one.counts(now)]
    silent = {name: one.default for name, one in declared(cls).items() if name not in counting}
    model = hyperparameters(cls, defaults=own, names=[name for name in first if name in counting])
    model |= _more("model", cls, own, [name for name in counting if name not in first])
    hyperparameters(cls, defaults=own, names=list(silent), drawn=False)  # says what the link has wrong there too
    return model | silent


def _training(usual: Mapping[str, Any]) -> dict[str, Any]:
    """The training's settings. Its length is asked for once: in epochs, or in steps where it is set in steps."""
    steps = {"steps": replace(declared(Settings)["steps"], default=usual["steps"])}
    _put_right(steps)
    in_epochs = _current("steps", steps["steps"]) == 0
    silent = [] if in_epochs else ["epochs"]  # which would change nothing
    in_sight = ["epochs" if in_epochs else "steps", *COMMON]
    settings = hyperparameters(Settings, defaults=usual, names=in_sight)
    settings |= _more("training", Settings, usual, [name for name in usual if name not in (*in_sight, *silent)])
    return settings | hyperparameters(Settings, defaults=usual, names=silent, drawn=False)


def _more(what: str, function: Callable[..., Any], defaults: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The hyperparameters that are one click away."""
    if not any(is_shown(name) for name in names):
        return hyperparameters(function, defaults=defaults, names=names)
    with st.popover(f"more about the {what}", width="stretch"):
        return hyperparameters(function, defaults=defaults, names=names)


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
    values = {key: fields[key].check(_current(key, fields[key])) for key in left_out}
    if len(left_out) < len(fields):
        with st.container(horizontal=True, gap="xsmall"):
            for key, one in fields.items():
                if key not in values:
                    values[key] = _field(key, one, "query-params" if in_url else None, width)
    return values


def _field(key: str, one: Hyperparameter, bind: Any, width: int | str) -> Any:
    common = {"label": one.name.replace("_", " "), "key": key, "help": one.help, "bind": bind, "width": width}
    match one.rule:
        case Between() as rule if rule.log:
            options = _grid(one, _current(key, one))
            return st.select_slider(options=options, value=one.default, format_func=_text, **common)
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
            return _row(one, st.text_input(value=_text(one.default), **common))
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


def _text(value: Any) -> str:
    """A value as the URL has it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.10g}"
        case tuple() | list():
            return ",".join(_text(float(one)) for one in value)
        case _:
            return str(value)


# The URL --------------------------------------------------------------------------------------------------------------


def read_url(fields: Mapping[str, Hyperparameter]) -> None:
    """Before the widgets first read the URL: put it right, and name what was wrong until another value is chosen."""
    _put_right(fields)
    _say_what_was_wrong(fields)


def _put_right(fields: Mapping[str, Hyperparameter]) -> None:
    """Other spellings of a value, and what is not allowed: that is taken out."""
    said = {key: st.query_params[key] for key in fields if key in st.query_params and key not in st.session_state}
    wrong, right = {}, {}
    for key, text in said.items():
        try:
            right[key] = _text(fields[key].check(text))
        except BadInput as error:
            wrong[key] = f"The link says {error} Its default, {_text(fields[key].default)}, is used."
    st.session_state.setdefault("wrong_in_url", {}).update(wrong)
    for key in wrong:
        del st.query_params[key]
    respelt = {key: text for key, text in right.items() if text != said[key]}
    if respelt:
        st.query_params.update(respelt)
    if wrong or respelt:
        st.rerun()


def _current(key: str, one: Hyperparameter) -> Any:
    """The value that a widget is about to show."""
    text = st.query_params.get(key)
    return st.session_state.get(key, one.default if text is None else one.check(text))


def _say_what_was_wrong(fields: Mapping[str, Hyperparameter]) -> None:
    wrong = st.session_state.get("wrong_in_url", {})
    for key, one in fields.items():
        if key in wrong and _text(st.session_state.get(key, one.default)) == _text(one.default):
            st.warning(wrong[key])
        else:
            wrong.pop(key, None)


# Presets and drawings -------------------------------------------------------------------------------------------------


def _presets(cls: type[GenerativeModel], opening: Preset) -> None:
    """A menu of settings known to work; choosing one sets the whole form."""
    if not cls.presets:
        return
    plain = {name: one.default for name, one in declared(cls).items()} | asdict(Settings.of(cls.defaults))
    meant = {preset.title: plain | _flat(preset) for preset in cls.presets}
    spelt = {title: {key: _text(value) for key, value in values.items()} for title, values in meant.items()}
    shown = (plain | _flat(opening)).items()
    now = {key: _text(st.session_state.get(key, st.query_params.get(key, value))) for key, value in shown}
    st.session_state["preset"] = next((title for title, values in spelt.items() if values == now), OWN)

    def apply() -> None:
        values = meant.get(st.session_state["preset"], {})
        st.session_state.update({key: _text(v) if isinstance(v, tuple | list) else v for key, v in values.items()})

    label, words = preset_time.labels(cls), "Settings known to work, and how long they take here."
    st.selectbox("preset", [*meant, OWN], format_func=label, key="preset", on_change=apply, help=words)
    preset_time.note(cls, st.session_state["preset"])


def _flat(preset: Preset) -> dict[str, Any]:
    return {"data": preset.data, **preset.model, **preset.training}


def strokes() -> dict[str, Any]:
    """The visitor's own density, as the data set's arguments; nothing drawn yet: the data set's own heart."""
    drawn = drawing_pad(key="strokes", alt="Draw a density for the model to learn.", digit=False, brush=0.06, side=220)
    if not drawn.strokes:
        return {}
    strokes = [[[x, round(1 - y, 4)] for x, y in stroke["points"]] for stroke in drawn.strokes]
    width = sum(stroke["width"] for stroke in drawn.strokes) / len(drawn.strokes) / 3
    return {"strokes": strokes, "width": round(min(max(width, 0.005), 0.2), 4)}
