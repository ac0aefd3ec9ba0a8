"""The words and tables of an explanation."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.evaluation.demand_class import ADI_CUT, CV2_CUT
from ml.frequency import Frequency
from ml.panel import Floats
from ml.reporting.explained import Explained, History, Row

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"  # not observed
SHOWN = 60  # periods of a sparkline
LABEL = 11  # width of the first column


def explanation(known: Explained) -> str:
    """The whole text, one labelled paragraph a question."""
    paragraphs = {
        "item": _item(known),
        "history": _history(known),
        "class": _class(known),
        "made by": _made_by(known),
        "weights": _weights(known),
        "intervals": _intervals(known),
        "backtest": _backtest(known),
        "drivers": _drivers(known),
    }
    lines = []
    for label, text in paragraphs.items():
        for number, line in enumerate(text):
            lines.append(f"{label if number == 0 else '':<{LABEL}}{line}".rstrip())
    return "\n".join(lines)


def sparkline(values: Sequence[float] | Floats) -> str:
    """The newest values as bars from zero, or from the least where that is far off.

    >>> sparkline([0.0, 1.0, float("nan"), 7.0])
    '▁▂·█'
    """
    shown = np.asarray(values, np.float64)[-SHOWN:]
    seen = shown[~np.isnan(shown)]
    if not len(seen):
        return GAP * len(shown)
    low, high = float(seen.min()), float(seen.max())
    if 0 <= low < high / 2:
        low = 0.0
    spread = (high - low) or 1.0
    steps = np.ceil((shown - low) / spread * (len(BARS) - 1))  # anything above zero is seen
    return "".join(GAP if np.isnan(step) else BARS[int(step)] for step in steps)


def _item(known: Explained) -> list[str]:
    first = known.first
    unit = f", {first['unit']}" if first["unit"] else ""
    kind = f"{Frequency(first['frequency']).word} {first['kind']}"
    day = f"{first['as_of']:%Y-%m-%d}"
    return [
        f"{known.item}: {kind}{unit}, panel {known.panel}",
        f"version {known.version}, as of {day}, dataset {first['dataset_id']}",
    ]


def _history(known: Explained) -> list[str]:
    first, history = known.first, known.history
    seen = f"{first['n_train']} observed periods, the last on {first['train_end']:%Y-%m-%d}"
    if isinstance(history, str):
        return [seen, history]
    observed = ~np.isnan(history.values)
    values, last = history.values[observed], history.periods[observed][-1]
    count = f"{len(values)} of {len(history.values)} periods observed"
    lines = [f"{count}, {history.periods[0]} to {last}"]
    if not history.same:
        lines.append(f"the tables have changed since: the run saw {seen}")
    if history.pattern is not None:
        zeros = int((values == 0).sum())
        lines.append(
            f"{zeros} of them without demand ({zeros / len(values):.0%}); {_last(history)}"
        )
    lines.append(f"{sparkline(history.values)}  {_number(values.min())} to {_number(values.max())}")
    return lines


def _last(history: History) -> str:
    asked = np.flatnonzero(np.nan_to_num(history.values) > 0)
    if not len(asked):
        return "never any"
    place = asked[-1]
    ago = len(history.values) - 1 - int(place)
    when = f"{ago} period{'s' * (ago != 1)} before the end" if ago else "in the last period"
    return f"last demand {_number(history.values[place])} on {history.periods[place]}, {when}"


def _class(known: Explained) -> list[str]:
    name = known.demand_class
    if name == "price":
        return ["prices form one class"]
    if isinstance(known.history, str) or known.history.pattern is None:
        where = "when it was tried" if name else "not known without the history"
        return [f"{name + ', ' if name else ''}{where}"]
    pattern = known.history.pattern
    adi = "none" if pattern.adi is None else f"{pattern.adi:.2f} (cut {ADI_CUT})"
    cv2 = "none" if pattern.cv2 is None else f"{pattern.cv2:.2f} (cut {CV2_CUT})"
    return [f"{name}: periods per demand (ADI) {adi}, variation of sizes (CV²) {cv2}"]


def _made_by(known: Explained) -> list[str]:
    first = known.first
    lines = [f"{first['model_used']}: {_shares(known.shares)}"]
    if first["is_fallback"]:
        lines.append(f"fell back: {first['fallback_reason']}")
    lines += [f"{model} failed: {reason}" for model, reason in sorted(known.failures.items())]
    return lines if len(lines) > 1 else [*lines, "nothing fell back"]


def _weights(known: Explained) -> list[str]:
    if not known.ensemble.weights:
        return ["none are saved"]
    name = known.demand_class
    key = name if name in known.ensemble.weights else PANEL
    lines = [f"of the whole panel: {_shares(known.ensemble.weights.get(PANEL, {}))}"]
    if key != PANEL:
        return [f"of class {name}: {_shares(known.ensemble.weights[key])}", *lines]
    return [*lines, f"class {name} has none of its own"] if name != "price" and name else lines


def _intervals(known: Explained) -> list[str]:
    """How far they were stretched, in words."""
    found = known.ensemble.spreads
    if not found or known.first["model_used"] != ENSEMBLE:
        return ["as the models gave them"]
    name = known.demand_class if known.demand_class in found else PANEL
    of = f"class {name}" if name != PANEL else "the whole panel"
    parts = ", ".join(f"{part} {value:.2f}" for part, value in
                      zip(("near", "middle", "far"), found[name], strict=True))  # fmt: skip
    return [f"stretched by what {of} covered at origins: steps {parts} (1 = left alone)"]


def _shares(shares: Mapping[str, float]) -> str:
    parts = sorted(((model, share) for model, share in shares.items() if share > 0),
                   key=lambda pair: (-pair[1], pair[0]))  # fmt: skip
    return ", ".join(f"{model} {share:.0%}" for model, share in parts) or "no model"


def _backtest(known: Explained) -> list[str]:
    trial = known.trial
    if trial is None:
        said = f"not among the {known.tried} items tried" if known.tried else "there was none"
        return [said, *_class_scores(known)]
    origins = f"{len(trial.origins)} origins ({', '.join(trial.origins)})"
    lines = [f"scaled CRPS of the item at {origins}, less is better"]
    sums = f"sums of {trial.protection}" if any(trial.sums.values()) else ""
    lines.append(f"{'model':<16}{'periods':>9}{sums:>14}")
    order = sorted(trial.periods, key=lambda model: (_last_if_none(trial.periods[model]), model))
    for model in order:
        own, total = trial.periods[model], trial.sums[model]
        mark = "  <- published" if model == ENSEMBLE else ""
        lines.append(f"{model:<16}{_score(own):>9}{_score(total) if sums else '':>14}{mark}")
    return lines


def _class_scores(known: Explained) -> Iterator[str]:
    """Scores of the class, or of the panel, for an item that was not tried itself."""
    name = None if known.demand_class in ("price", "") else known.demand_class
    found: dict[str, list[tuple[float, int]]] = {}
    for row in known.metrics:
        of_all = (
            row["item_id"] is None and row["horizon_step"] is None and row["demand_class"] == name
        )
        if of_all and row["metric"] == "scaled_crps" and row["value"] is not None:
            found.setdefault(row["model"], []).append((row["value"], row["n_obs"]))
    if not found:
        return
    yield f"scaled CRPS of {'class ' + name if name else 'the panel'} instead, less is better"
    means = {
        m: sum(v * n for v, n in pairs) / sum(n for _, n in pairs) for m, pairs in found.items()
    }
    for model, value in sorted(means.items(), key=lambda pair: (pair[1], pair[0])):
        yield f"{model:<16}{_score(value):>9}"


def _drivers(known: Explained) -> list[str]:
    name = None if known.demand_class in ("price", "") else known.demand_class
    rows = [row for row in known.metrics if row["model"].startswith("driver")]
    if not rows:
        return ["none are used"]
    used: list[str] = []
    left: list[str] = []
    for row in rows:
        if row["metric"] == "driver_used" and row["demand_class"] == name:
            (used if row["value"] else left).append(row["model"].partition(":")[2])
    whose = f"class {name}" if name else "the panel"
    chosen, others = (", ".join(sorted(names)) or "none" for names in (used, left))
    lines = [f"used by {whose}: {chosen}; left out: {others}"]
    return lines + _effects(rows, name) if used else lines


def _effects(rows: Sequence[Row], name: str | None) -> list[str]:
    """Effects on the log of the rate whose 90 % interval leaves zero out."""
    ends: dict[str, dict[str, float]] = {}
    for row in rows:
        wanted = row["metric"].startswith("driver_effect") and row["demand_class"] == name
        if wanted and row["value"] is not None:
            ends.setdefault(row["model"].partition(":")[2], {})[row["metric"]] = row["value"]
    lines = []
    for driver, found in sorted(ends.items()):
        low, high = found.get("driver_effect_low", 0.0), found.get("driver_effect_high", 0.0)
        if low > 0 or high < 0:
            effect = f"{found.get('driver_effect', 0.0):+.2f} ({low:+.2f} to {high:+.2f})"
            lines.append(f"{driver}: {effect} on the log of the rate a standard deviation")
    return lines


def _score(value: float | None) -> str:
    return "failed" if value is None else f"{value:.3f}"


def _last_if_none(value: float | None) -> float:
    return float("inf") if value is None else value


def _number(value: float) -> str:
    return f"{value:g}"
