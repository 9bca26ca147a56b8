"""Tables as text: CSV and JSON for machines, Markdown and LaTeX for people."""

import csv
import io
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genmodels.experiments.declaration import Experiment
from genmodels.experiments.measures import MEASURES, Cell
from genmodels.experiments.results import Row, Summary, budget, summaries, told

__all__ = ["FLOOR", "FORMATS", "as_csv", "entry", "latex", "markdown", "plus_minus", "summary_table", "tidy", "toml"]

SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}
SYMBOLS = {"±": r"$\pm$", "₁": "$_1$", "‖": r"$\Vert$", "−": "$-$", "–": "--", "β": r"$\beta$", "²": "$^2$"}

FLOOR = "real data against real data"

Table = Sequence[Mapping[str, Any]]


def tidy(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row a run: what it is, and a column for each number that was measured; "" where it was not."""
    measured = [name for name in MEASURES if any(name in row.cells for row in rows)]
    table = []
    for row in rows:
        line: dict[str, Any] = {"name": row.name, "model": row.model, "data": row.data, "seed": row.seed}
        line |= {"run": row.run, "state": row.status, "steps": row.steps, "training_seconds": round(row.seconds, 2)}
        for name in measured:
            cell = row.cells.get(name, Cell(math.nan))
            line |= {name: cell.value, f"{name}_se": cell.se, f"{name}_floor": cell.floor}
        table.append(line)
    empty = {key for key in table[0] if all(_is_nan(line[key]) for line in table)} if table else set()
    return [{k: "" if _is_nan(v) else v for k, v in line.items() if k not in empty} for line in table]


def summary_table(experiment: Experiment, rows: Sequence[Row]) -> list[dict[str, str]]:
    """One row a model and data set: the mean of each measure ± its standard error over the seeds.

    Of one seed the standard error is that of test examples and samples, where it is known. Where the experiment
    reproduces a table, its numbers stand beside; the last row is what real data score, where a measure has a floor.
    """
    of = {name: summaries(rows, name) for name in experiment.measures}
    theirs = experiment.source.theirs if experiment.source else {}
    several = len({row.data for row in rows}) > 1

    def line(name: str, data: str, n: str, values: Mapping[str, str]) -> dict[str, str]:
        cells = {"name": name} | ({"data": data} if several else {}) | {"n": n}
        for measure in experiment.measures:
            one = MEASURES[measure]
            title = f"{one.title} ({one.unit})" if one.unit else one.title
            if any(measure in row for row in theirs.values()):
                cells[f"{title}, theirs"] = theirs.get(name, {}).get(measure, "–")
            cells[title] = values.get(measure, "–")
        return cells

    table = []
    for name, data in dict.fromkeys((row.name, row.data) for row in rows):
        own = {measure: s for measure, one in of.items() if (s := one.get((name, data)))}
        count = str(max((s.n for s in own.values()), default=0))
        table.append(line(name, data, count, {measure: plus_minus(s) for measure, s in own.items()}))
    for data in dict.fromkeys(row.data for row in rows):
        floors = {measure: floor for measure, one in of.items() if (floor := _floor(one, data))}
        if floors:
            table.append(line(FLOOR, data, "–", floors))
    return table


def _floor(of: Mapping[tuple[str, str], Summary], data: str) -> str:
    """The score of real data as text, the mean over what was measured beside each run; "" where nothing was."""
    known = [s.floor for (_, of_data), s in of.items() if of_data == data and not math.isnan(s.floor)]
    return f"{statistics.fmean(known):.4g}".replace("-", "−") if known else ""


def plus_minus(one: Summary | None) -> str:
    """A mean and its standard error, to the error's second digit.

    >>> plus_minus(Summary(-134.918, 0.75, 0.433, 3, 0.5, math.nan))
    '−134.92 ± 0.43'
    """
    if one is None or math.isnan(one.mean):
        return "–"
    error = one.se if one.n > 1 else one.within
    if math.isnan(error) or error <= 0:
        return f"{one.mean:.5g}".replace("-", "−")
    digits = max(0, min(6, 1 - int(f"{error:.1e}".partition("e")[2])))
    return f"{one.mean:.{digits}f} ± {error:.{digits}f}".replace("-", "−")


def as_csv(table: Table) -> str:
    """Comma-separated values, with a line of names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _harmless(v) for k, v in line.items()} for line in table)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, made one that it does not."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t") else value


def markdown(table: Table) -> str:
    r"""A table of Markdown.

    >>> print(markdown([{"name": "a|b", "n": 3}]), end="")
    | name | n |
    |---|---|
    | a\|b | 3 |
    """
    word = lambda cell: str(cell).replace("|", "\\|")  # noqa: E731
    return _lines(table, word, "| ", " | ", " |", "|" + "---|" * len(_names(table)))


def latex(table: Table) -> str:
    """A ``tabular`` of LaTeX, which needs no package."""
    names = _names(table)
    body = _lines(table, _tex, "", " & ", r" \\", r"\hline")
    return f"\\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}\n{body}\\end{{tabular}}\n"


def entry(experiment: Experiment, rows: Sequence[Row]) -> str:
    """A reproduction's report: their numbers beside ours, what differs, of how few trainings, how to do it again."""
    source = experiment.source
    assert source is not None
    again = f"python -m genmodels experiment run {experiment.name}"
    of = f"{source.name}, {source.place}. {experiment.about}"
    parts = [f"## {experiment.title}", of, markdown(summary_table(experiment, rows)).rstrip()]
    parts += [f"What differs. {source.differs}", budget(experiment), f"    {again}"]
    return "\n\n".join(part for part in parts if part) + "\n"


def toml(raw: Mapping[str, Any]) -> str:
    """An experiment as the file that declares it; a text of JSON is one of TOML, and so are its numbers and lists.

    >>> print(toml({"title": "x", "seeds": 2, "models": [{"model": "gan", "settings": {"lr": 0.001}}]}), end="")
    title = "x"
    seeds = 2
    <BLANKLINE>
    [[models]]
    model = "gan"
    settings = { "lr" = 0.001 }
    """
    flat = [f"{key} = {_of_toml(value)}" for key, value in raw.items() if not _is_tables(value)]
    for key, value in raw.items():
        for one in value if _is_tables(value) else ():
            flat += ["", f"[[{key}]]", *(f"{name} = {_of_toml(part)}" for name, part in one.items())]
    return "\n".join(flat) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _of_toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_of_toml(part)}" for key, part in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_of_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _tex(cell: Any) -> str:
    return "".join(SYMBOLS.get(c, SPECIAL.get(c, c)) for c in str(cell))


def _lines(table: Table, word: Callable[[Any], str], left: str, between: str, right: str, rule: str) -> str:
    rows = [_names(table), *(list(line.values()) for line in table)]
    lines = [left + between.join(word(cell) for cell in row) + right for row in rows]
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _names(table: Table) -> list[str]:
    return list(table[0]) if table else ["nothing yet"]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


FORMATS: dict[str, Callable[[Experiment, Sequence[Row]], str]] = {
    "markdown": lambda experiment, rows: markdown(summary_table(experiment, rows)),
    "latex": lambda experiment, rows: latex(summary_table(experiment, rows)),
    "csv": lambda experiment, rows: as_csv(tidy(rows)),
    "json": lambda experiment, rows: json.dumps(told(experiment, rows), indent=1) + "\n",
}
"""How results can be written: Markdown and LaTeX a summary, CSV one row a run, JSON all of it."""
