"""Model cards: what a checkpoint is, how it was made, what was measured, how to use it; its head is the Hub's YAML."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from genmodels.data.datasets import ELSEWHERE, info
from genmodels.models import MODELS
from genmodels.runs.record import Plan, State

__all__ = ["ON_THE_HUB", "card", "collection", "headline", "measure_in_words"]

ON_THE_HUB = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
"""Data sets by the name that the Hub knows them by."""

MOST_DIGITS = 12  # after the point
BEST_KNOWN = ("judge_fid", "log_prob_nats", "bpd", "elbo_nats", "kl_from_truth_nats")
"""The measure that is shown, where only one is."""


def headline(measures: Mapping[str, Any]) -> str:
    """The one measure that says most, in words; "" where nothing was measured.

    >>> headline({"examples": 180, "elbo_nats": -19.636, "elbo_nats_se": 0.36})
    'elbo = -19.6 ± 0.4 nats'
    >>> headline({"elbo_nats": -1072.2, "judge_fid": 0.2440, "judge_fid_floor": 0.2213})
    'judge fid = 0.244 (of data: 0.221)'
    >>> headline({"examples": 10000, "samples": 1000, "judge_fid": 0.91, "judge_fid_floor": 1.41})
    'judge fid = 0.91 (of data: 1.41; 1,000 each)'
    >>> headline({"judge_fid": 0.2440, "judge_fid_se": 0.0213})
    'judge fid = 0.24 ± 0.02'
    """
    usable = {name: value for name, value in measures.items() if isinstance(value, float)}
    name = next((name for name in BEST_KNOWN if name in usable), next(iter(usable), None))
    if not name:
        return ""
    words = measure_in_words(measures, name) if f"{name}_se" in measures else f"{usable[name]:.3g}"
    n = measures.get("samples", measures.get("examples"))  # a distance, and its floor, hang on how many
    many = f"; {n:,} each" if isinstance(n, int) else ""
    floor = f" (of data: {usable[f'{name}_floor']:.3g}{many})" if f"{name}_floor" in usable else ""
    return f"{_bare(name)} = {words}{floor}"


def measure_in_words(measures: Mapping[str, Any], name: str) -> str:
    """A measure with its standard error, where it has one, and its unit."""
    value, error = measures[name], measures.get(f"{name}_se")
    if isinstance(value, str):
        return value
    unit = " nats" if name.endswith("_nats") else ""
    if not isinstance(error, int | float) or not 0 < error < math.inf:
        return f"{value:.6g}{unit}"
    digits = min(MOST_DIGITS, max(1, -math.floor(math.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}{unit}"


Row = tuple[str, Plan, Mapping[str, Any]]
"""Of a checkpoint its folder, its plan and its measures."""


def card(plan: Plan, state: State, folder: Path, command: str, measures: Mapping[str, Any], use: str) -> str:
    """The README.md of one checkpoint.

    Args:
        plan: What was asked for.
        state: Where it ended.
        folder: Where its config.json and model.safetensors are.
        command: The command line that makes it again.
        measures: What was measured of it, by name with its unit.
        use: The lines of Python that load it as ``model``.
    """
    shape = json.loads((folder / "config.json").read_text())["shape"]
    size = (folder / "model.safetensors").stat().st_size / 1e6
    rows = "\n".join(_rows(measures))
    made = plan.versions
    how = f"Made by (genmodels {made.get('genmodels', '?')}, torch {made.get('torch', '?')}, {plan.device})"
    begun = plan.parent.step if plan.parent else 0
    trained = f"Trained for {state.total - begun:,} steps in {state.seconds:.0f} s"
    trained += f", from step {begun:,} of another run." if plan.parent else "."
    on = f" on {plan.data}"
    if plan.data == ELSEWHERE:
        on = ""
        how, trained = "Taken over by", "Trained elsewhere: its licence and its data are those of where it came from."
    head = _head([(plan.title, plan, measures)])
    return f"""{head}
# {plan.title}

{MODELS[plan.model].title}{on}, shape {" × ".join(str(n) for n in shape)};
{size:.1f} MB in half precision. {trained}

{how}:

{indent(command, "    ")}

| measure | value | ± | of real data | ± |
|---|---|---|---|---|
{rows}

±: standard errors. Of real data: what as many training examples score against the same test examples.

```python
{use}
x = model.sample(16)
```
"""


def _rows(measures: Mapping[str, Any]) -> Iterator[str]:
    """A line of the card's table for each measure: its value, its error, the floor, and the floor's error."""
    parts = ("", "_se", "_floor", "_floor_se")
    beside = {f"{name}{part}" for name in measures for part in parts[1:]}
    for name in (one for one in measures if one not in beside):
        known = (measures.get(f"{name}{part}") for part in parts)
        yield f"| {name} | " + " | ".join("" if value is None else f"{value:.6g}" for value in known) + " |"


def collection(repo: str, rows: Sequence[Row]) -> str:
    """The README.md of a repository of checkpoints.

    Args:
        repo: The repository, owner/name.
        rows: Of each checkpoint its folder, its plan and its measures.
    """
    table = "\n".join(
        f"| [{name}]({name}) | {MODELS[plan.model].title} | {plan.data} | {headline(measures)} |"
        for name, plan, measures in rows
    )
    return f"""{_head(rows)}
# Deep generative models

| checkpoint | model | data | measure |
|---|---|---|---|
{table}

```python
from genmodels.hub.pretrained import from_pretrained

model = from_pretrained("{repo}", subfolder="{rows[0][0]}")
x = model.sample(16)
```

In the app: `python -m genmodels pull hf://{repo}/{rows[0][0]}`, or its page Checkpoints.
"""


def _head(rows: Sequence[Row]) -> str:
    """A card's head for the Hub: library, licence, tags, data sets, and every measure in its model index."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="unconditional-image-generation" if _images(plan) else "density-estimation",
            dataset_type=ON_THE_HUB.get(plan.data, plan.data),
            dataset_name=info(plan.data).title,
            dataset_split="test",
            metric_type=metric,
            metric_name=metric if len(rows) == 1 else f"{metric} of {name}",
            metric_value=value,
        )
        for name, plan, measures in rows
        for metric, value in measures.items()
        if isinstance(value, float) and not metric.endswith("_se")
    ]
    data = ModelCardData(
        model_name=rows[0][0] if len(rows) == 1 else "genmodels",
        library_name="genmodels",
        license="mit" if all(plan.data != ELSEWHERE for _, plan, _ in rows) else None,
        pipeline_tag="unconditional-image-generation" if any(_images(plan) for _, plan, _ in rows) else None,
        tags=[*sorted({plan.model for _, plan, _ in rows}), "generative-model"],
        datasets=sorted({ON_THE_HUB.get(name, name) for _, plan, _ in rows if (name := plan.data) != ELSEWHERE}),
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _images(plan: Plan) -> bool:
    return info(plan.data).kind == "images"


def _bare(name: str) -> str:
    return name.removesuffix("_nats").replace("_", " ")
