"""What a fork may change: everything that leaves the weights of the networks as many and as large as they are."""

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Hyperparameter, Only, Switch, declared
from genmodels.models import model_class
from genmodels.models.base import weigh
from genmodels.runs.store import Run

__all__ = ["changeable"]


def changeable(run: Run) -> dict[str, Hyperparameter]:
    """The model's hyperparameters that a fork of ``run`` may change, by name; of words only those that fit its weights.

    A number is tried at another value, a switch the other way round: nothing is allocated for that.
    """
    config = {"model": run.plan.model, "shape": list(DATASETS[run.plan.data].shape), **run.plan.arguments}
    return _changeable(json.dumps(config, sort_keys=True))


@functools.lru_cache(maxsize=64)
def _changeable(text: str) -> dict[str, Hyperparameter]:
    config = json.loads(text)
    usual, free = _weight(config), dict[str, Hyperparameter]()
    for name, one in declared(model_class(config["model"])).items():
        now = config.get(name, one.default)
        fits = [value for value in _others(one, now) if _weight({**config, name: value}) == usual]
        match one.rule:
            case Only(options, help):
                if fits:
                    free[name] = replace(one, rule=Only(tuple(o for o in options if o in (now, *fits)), help))
            case Between() | Switch():
                if fits:
                    free[name] = one
            case _:
                free[name] = one
    return {name: one for name, one in free.items() if _may_count(one, config, free)}


def _may_count(one: Hyperparameter, config: Mapping[str, Any], beside: Mapping[str, Hyperparameter]) -> bool:
    """Whether a hyperparameter has an effect as the others stand, or once one of them is changed."""
    values = {**config, "kind": "plane" if len(config["shape"]) == 1 else "images"}
    words = [(name, option) for name, of in beside.items() if isinstance(of.rule, Only) for option in of.rule.options]
    return one.counts(values) or any(one.counts({**values, name: option}) for name, option in words)


def _others(one: Hyperparameter, now: Any) -> list[Any]:
    """Other values than ``now`` to be tried."""
    match one.rule:
        case Only(options):
            return [option for option in options if option != now]
        case Switch():
            return [not now]
        case Between(low, high):
            more = now + (1 if one.type is int else (high - now) / 2)
            return [more if more <= high and more != now else low]
        case _:
            return []


def _weight(config: Mapping[str, Any]) -> tuple[int, int] | None:
    try:
        return weigh(config)
    except BadInput:
        return None
