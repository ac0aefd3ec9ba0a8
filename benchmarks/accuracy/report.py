"""The comparison as CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.accuracy.comparison import SUMMED, WQL, Line, gain_label
from benchmarks.accuracy.measures import COVERED
from benchmarks.accuracy.predictions import REFERENCE, SUMS, TAIL
from benchmarks.accuracy.price_files import PriceTable
from ml.durable import write_file

NAME = "accuracy"
DIGITS = 5
HEAD = ("model", "kind", "WQL", "MASE", "bias", *COVERED, "WQL against the best reference")


def write_report(
    lines: Sequence[Line], prices: Sequence[PriceTable], about: Mapping[str, object], folder: Path
) -> list[Path]:
    """``accuracy.csv``, ``.json``, ``.md`` and, of prices, ``prices.csv``, each whole.

    Args:
        lines: Of all datasets and scopes.
        prices: Of all price files.
        about: Plain facts about the run.
        folder: Where they go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_flat(line) for line in lines]
    quoted = [{"dataset": one.dataset, "origins": one.count, "first": one.first,
               "last": one.last, **asdict(line)}
              for one in prices for line in one.lines]  # fmt: skip
    whole = {**about, "lines": rows, "prices": quoted}
    texts = {
        f"{NAME}.csv": _csv(rows),
        "prices.csv": _csv(quoted),
        f"{NAME}.json": json.dumps(whole, indent=2, ensure_ascii=False) + "\n",
        f"{NAME}.md": markdown(lines, about) + price_markdown(prices),
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        if not text:
            path.unlink(missing_ok=True)  # that of an earlier comparison
            continue
        written.append(write_file(path, text))
    return written


def _flat(line: Line) -> dict[str, object]:
    row = asdict(line)
    figures = row.pop("figures")
    rounded = {n: round(v, DIGITS) if isinstance(v, float) else v for n, v in figures.items()}
    row["seconds"] = None if line.seconds is None else round(line.seconds, 1)
    # JSON knows no NaN: what a model says nothing of is null.
    return row | {n: None if v != v else v for n, v in rounded.items()}  # noqa: PLR0124


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    stream = io.StringIO()
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def markdown(lines: Sequence[Line], about: Mapping[str, object]) -> str:
    """Tables for people, one of single periods and one of sums for each dataset and scope."""
    parts = ["# Accuracy against others", "", *(f"- {k}: {v}" for k, v in about.items()), ""]
    for dataset, scope in dict.fromkeys((line.dataset, line.scope) for line in lines):
        own = [line for line in lines if (line.dataset, line.scope) == (dataset, scope)]
        parts += [f"## {dataset}, {scope}: {own[0].items} items", ""]
        parts += _table(HEAD, [_single(line) for line in own])
        parts += ["Pinball loss of cumulative demand over that demand:", ""]
        tails = [f"{steps}: {q:g}" for steps in own[0].sums for q in TAIL]
        summed = [line for line in own if line.figures[SUMMED] is not None]
        summed.sort(key=lambda line: float(line.figures[SUMMED] or 0.0))
        head = ("model", *tails, "mean against the best window of the own past")
        parts += _table(head, [_sums(line) for line in summed])
        parts += [("Saved of the loss of the best window of the own past, by column in hindsight "
                  "(95 % interval over items):"), ""]  # fmt: skip
        parts += _table(("model", *tails), [_saved(line) for line in summed])
        parts += ["Share of sums below the quantile:", ""]
        parts += _table(("model", *tails), [_below(line) for line in summed])
    return "\n".join(parts) + "\n"


def price_markdown(prices: Sequence[PriceTable]) -> str:
    """Tables of prices; CRPS is against the last close with the volatility of 250 days."""
    parts = []
    head = ("model", "MAE against the last close", "CRPS ratio", "80 % interval", "ms an origin")
    for one in prices:
        parts += [f"## {one.dataset}: {one.count} origins, {one.first} to {one.last}", ""]
        parts += _table(head, [
            [line.model, f"{line.mae_change:+.2f} %",
             f"{line.crps_ratio:.4f} ± {line.crps_error:.4f}",
             f"{line.coverage:.1f} ± {line.coverage_error:.1f} %", f"{line.ms:.0f}"]
            for line in one.lines
        ])  # fmt: skip
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruled = [f"|{'---|' * len(head)}"]
    return [f"| {' | '.join(head)} |", *ruled, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _named(line: Line) -> str:
    """The model, and on how many items it is not it that speaks but the ensemble."""
    share = 1 - line.own
    return line.model if share == 0 else f"{line.model} (the ensemble on {share:.0%} of the items)"


def _single(line: Line) -> list[str]:
    found = line.figures
    covered = [_number(found[f"covered {name}"], 2) for name in COVERED]
    bias = found["bias"]
    return [
        _named(line), line.kind, _number(found["wql"], 4), _number(found["mase"], 3),
        f"{bias:+.1%}", *covered, _interval(line, f"{WQL} {REFERENCE}"),
    ]  # fmt: skip


def _sums(line: Line) -> list[str]:
    cells = [_number(line.figures[f"{s} at {q:g}"], 4) for s in SUMS for q in TAIL]
    return [_named(line), *cells, _interval(line, SUMMED)]


def _saved(line: Line) -> list[str]:
    labels = [gain_label(which, q) for which in SUMS for q in TAIL]
    ends = [[line.figures.get(label + end) for end in ("", " low", " high")] for label in labels]
    return [_named(line), *("" if None in one else "{:+.1%} ({:+.1%} to {:+.1%})".format(*one)
                          for one in ends)]  # fmt: skip


def _below(line: Line) -> list[str]:
    cells = [_number(line.figures[f"{s} covered {q:g}"], 3) for s in SUMS for q in TAIL]
    return [_named(line), *cells]


def _interval(line: Line, label: str) -> str:
    found = line.figures
    if found[label] is None or found[f"{label}: which"] == line.model:
        return "the rival itself" if found[label] is not None else ""
    value, low, high = (found[label + end] for end in ("", " low", " high"))
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def _number(value: float | str | None, digits: int) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"  # noqa: PLR0124
