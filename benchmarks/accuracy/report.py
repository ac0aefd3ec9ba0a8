"""The comparison as CSV, JSON and Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.accuracy.bench import Compared, Wanted
from benchmarks.accuracy.cases import PEER, REFERENCE, SUMS, TAIL
from benchmarks.accuracy.comparison import COMPARED, Line, against, saved
from benchmarks.accuracy.measures import COVERED
from benchmarks.accuracy.planted import SHOWN, Effect
from benchmarks.accuracy.prices import PriceTable
from benchmarks.speed.report import format_table
from ml.durable import write_file
from ml.reporting.metrics import to_csv
from ml.seeds import code_version

NAME = "accuracy"
DIGITS = 5
HEAD = ("model", "kind", "WQL", "MASE", "bias", *COVERED)


def write_report(
    finished: Sequence[Compared],
    prices: Sequence[PriceTable],
    wanted: Wanted,
    failures: Sequence[str],
    folder: Path,
) -> list[Path]:
    """``accuracy.csv``, ``.json``, ``.md`` and, of prices, ``prices.csv``, each whole.

    Of the datasets so far and all price files; failures say why others are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for one in finished for line in one.lines]
    rows = [_flat(line) for line in lines]
    quoted = [{"dataset": one.dataset, "origins": one.count, "first": one.first,
               "last": one.last, **asdict(line)}
              for one in prices for line in one.lines]  # fmt: skip
    about = _about(finished, wanted, failures)
    effects = [
        {"day": one.day, "planted": one.planted, "realised": one.realised,
         "forecast": one.forecast.value, "over items": one.forecast.over_items,
         **{f"q{100 * q:g}": None if np.isnan(value) else value
            for q, value in zip(SHOWN, one.quantiles, strict=True)}}
        for dataset in finished for one in dataset.effects
    ]  # fmt: skip
    whole = {**about, "lines": rows, "planted": effects, "prices": quoted}
    texts = {
        f"{NAME}.csv": _csv(rows),
        "prices.csv": _csv(quoted),
        f"{NAME}.json": json.dumps(whole, indent=2, ensure_ascii=False) + "\n",
        f"{NAME}.md": markdown(finished, about) + price_markdown(prices),
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        if not text:
            path.unlink(missing_ok=True)  # that of an earlier comparison
            continue
        written.append(write_file(path, text))
    return written


def _about(
    finished: Sequence[Compared], wanted: Wanted, failures: Sequence[str]
) -> dict[str, object]:
    """Plain facts about the run."""
    about: dict[str, object] = {
        "code": code_version(),
        "ours": "scored from a finished version" if wanted.version else "run for this table",
        "peers": ", ".join(wanted.peers()) or "not run",
        "peers' gaps": "filled by the value one season earlier; a late start stays one",
        "intervals": "95 %: over items, at these very cutoffs; then, of several cutoffs, over both",
    }
    for one in finished:
        ours, peers = ("not timed" if s is None else f"{s:.0f} s" for s in one.seconds)
        about[one.dataset] = (
            f"as of {', '.join(one.cutoffs)}; our job took {ours}, the peers' models {peers}"
        )
    return about | {f"failure {place}": text for place, text in enumerate(failures, 1)}


def _flat(line: Line) -> dict[str, object]:
    row = asdict(line)
    figures = row.pop("figures")
    rounded = {n: round(v, DIGITS) if isinstance(v, float) else v for n, v in figures.items()}
    row["seconds"] = None if line.seconds is None else round(line.seconds, 1)
    # JSON knows no NaN: what a model says nothing of is null.
    return row | {n: None if v != v else v for n, v in rounded.items()}  # noqa: PLR0124


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return to_csv(names, rows) if rows else ""


def markdown(finished: Sequence[Compared], about: Mapping[str, object]) -> str:
    """Tables for people: single periods, sums and rivals of each dataset and scope."""
    parts = ["# Accuracy against others", "", *(f"- {k}: {v}" for k, v in about.items()), ""]
    for one in finished:
        for scope in dict.fromkeys(line.scope for line in one.lines):
            parts += _scope([line for line in one.lines if line.scope == scope])
        parts += _planted(one.effects)
    return "\n".join(parts) + "\n"


def _scope(lines: Sequence[Line]) -> list[str]:
    first = lines[0]
    origins = "1 cutoff" if first.origins == 1 else f"{first.origins} cutoffs"
    parts = [f"## {first.dataset}, {first.scope}: {first.items} items, {origins}", ""]
    parts += format_table(HEAD, [_single(line) for line in lines])
    columns = ("WQL", "MASE", *(f"loss of sums over {steps}" for steps in first.sums))
    for kind in (REFERENCE, PEER):
        rivals = [first.figures[f"{against(one, kind)}: which"] for one in COMPARED]
        if any(rivals):
            title = f"Against the best {kind} in hindsight, column by column (95 % interval):"
            head = ("model", *(f"{c}: {r}" for c, r in zip(columns, rivals, strict=True)))
            parts += [title, "", *format_table(head, [_rivals(line, kind) for line in lines])]
    tails = [f"{steps}: {q:g}" for steps in first.sums for q in TAIL]
    summed = [line for line in lines if saved(SUMS[0], TAIL[0]) in line.figures]
    summed.sort(key=lambda line: sum(line.figures[f"{s} at {q:g}"] for s in SUMS for q in TAIL))
    past = "Saved of the loss of the best window of the own past, by column in hindsight"
    for title, row in (
        ("Pinball loss of cumulative demand over that demand", _sums),
        (f"{past} (95 % interval)", _saved),
        ("Share of sums below the quantile", _below),
    ):
        parts += [f"{title}:", ""]
        parts += format_table(("model", *tails), [row(line) for line in summed])
    return parts


def _planted(effects: Sequence[Effect]) -> list[str]:
    if not effects:
        return []
    head = ("days", "planted", "came true", "mean forecast", *(f"q{100 * q:g}" for q in SHOWN))
    rows = [
        [one.day, f"{one.planted:.2f}", f"{one.realised:.2f}",
         f"{one.forecast.value:.2f} ± {one.forecast.over_items:.2f}",
         *(f"{value:.2f}" for value in one.quantiles)]
        for one in effects
    ]  # fmt: skip
    title = (
        "Effects planted in the sample (synthetic), as demand over that of plain days, of holidays "
        "over plain days of the same weekdays:"
    )
    return [title, "", *format_table(head, rows)]


def price_markdown(prices: Sequence[PriceTable]) -> str:
    """Tables of prices; CRPS is against the last close with the volatility of 250 days."""
    parts = []
    head = ("model", "MAE against the last close", "CRPS ratio", "80 % interval", "ms an origin")
    for one in prices:
        parts += [f"## {one.dataset}: {one.count} origins, {one.first} to {one.last}", ""]
        parts += format_table(head, [
            [line.model, f"{line.mae_change:+.2f} %",
             f"{line.crps_ratio:.4f} ± {line.crps_error:.4f}",
             f"{line.coverage:.1f} ± {line.coverage_error:.1f} %", f"{line.ms:.0f}"]
            for line in one.lines
        ])  # fmt: skip
    return "\n".join(parts)


def _named(line: Line) -> str:
    """The model, and on how many items it is not it that speaks but the ensemble."""
    share = 1 - line.own
    return line.model if share == 0 else f"{line.model} (the ensemble on {share:.0%} of the items)"


def _single(line: Line) -> list[str]:
    found = line.figures
    covered = [_number(found[f"covered {name}"], 2) for name in COVERED]
    return [
        _named(line), line.kind, _number(found["wql"], 4), _number(found["mase"], 3),
        f"{found['bias']:+.1%}", *covered,
    ]  # fmt: skip


def _rivals(line: Line, kind: str) -> list[str]:
    return [_named(line), *(_difference(line, against(measure, kind)) for measure in COMPARED)]


def _sums(line: Line) -> list[str]:
    return [_named(line), *(_number(line.figures[f"{s} at {q:g}"], 4) for s in SUMS for q in TAIL)]


def _saved(line: Line) -> list[str]:
    labels = [saved(which, q) for which in SUMS for q in TAIL]
    return [_named(line), *(_interval(line, label, "+.1%") for label in labels)]


def _below(line: Line) -> list[str]:
    cells = [_number(line.figures[f"{s} covered {q:g}"], 3) for s in SUMS for q in TAIL]
    return [_named(line), *cells]


def _difference(line: Line, label: str) -> str:
    found = line.figures
    if found[label] is None or found[f"{label}: which"] == line.model:
        return "the rival itself" if found[label] is not None else ""
    return _interval(line, label, "+.4f")


def _interval(line: Line, label: str, digits: str) -> str:
    """A figure with its interval over items and, of several cutoffs, over both."""
    ends = {
        end: line.figures[label + end] for end in ("", " low", " high", " low both", " high both")
    }
    told = {end: format(value, digits) for end, value in ends.items()}
    text = f"{told['']} ({told[' low']} to {told[' high']}"
    if line.origins > 1:
        text += f"; {told[' low both']} to {told[' high both']}"
    return f"{text})"


def _number(value: float | str | None, digits: int) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"  # noqa: PLR0124
