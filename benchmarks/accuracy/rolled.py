"""Nights that go on from what was fitted before against nights on which all is fitted anew.

One folder sees a period more every night, as in life: what it has fitted serves for ``REFIT_DAYS``
of data and is then held against newly trained models. For each night that is scored another folder
is fitted from nothing. Both are scored on what came true over the horizon after that night. What is
done is kept, by the code that did it: a run that was ended goes on where it was.

Usage: PYTHONPATH=. .venv/bin/python -m benchmarks.accuracy.rolled [--file FILE.csv --horizon 6]
"""

import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from benchmarks.accuracy.cases import OURS, SAMPLE, Case, Dataset, Prediction, make_cases
from benchmarks.accuracy.comparison import Estimate, estimate
from benchmarks.accuracy.measures import COVERED, ItemLosses, item_losses
from benchmarks.accuracy.ours import read_version, run_at
from benchmarks.speed.files import draw_inputs, keep_outside
from benchmarks.speed.job import FOLDERS
from benchmarks.speed.watch import say
from ml.artifacts.reading import read_dataset
from ml.cli import exit_on_error
from ml.contracts.forecasts import FORECASTS
from ml.durable import staged
from ml.panel import Floats
from ml.reporting.metrics import ENSEMBLE
from ml.run.parallel import ONE_THREAD
from ml.seeds import code_version

ANEW = "fitted anew"
RUNS = 3  # of neighbouring nights: what their horizons share is in one of them for the most part
INTERVAL = tuple(COVERED).index("80 % interval")
Measured = dict[str, tuple[Floats, Floats]]  # losses and what they are a share of, (O, N) each


@dataclass(frozen=True, slots=True)
class RolledNight:
    """What was said on one night."""

    said: Mapping[str, Prediction]  # by model
    age: float  # days since what said it was fitted, mean over the rows
    cpu_seconds: float  # of the whole command


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledTrial:
    """What is compared; see the options of the command."""

    cases: Sequence[Case]  # the night on which all is fitted first, and those after it, in order
    every: int  # nights from one that is scored to the next
    refit_days: Sequence[float]  # of each folder that goes on
    jobs: int  # worker processes
    outside: Mapping[str, pa.Table] = field(default_factory=dict)  # as published

    @property
    def scored(self) -> Sequence[Case]:
        """Nights for which all is fitted anew as well."""
        return self.cases[self.every :: self.every]

    def run(self) -> Iterator[dict[str, list[RolledNight]]]:
        """What was said on the nights that are scored so far, by way, after each of them."""
        ways = {f"REFIT_DAYS {days:g}": days for days in self.refit_days}
        found: dict[str, list[RolledNight]] = {name: [] for name in (*ways, ANEW)}
        for number, case in enumerate(self.cases):
            scored = number > 0 and number % self.every == 0
            for name, days in (ways | {ANEW: 0.0} if scored else ways).items():
                if number and not scored and days > self._span:
                    continue  # nothing is fitted, and the way to a night changes nothing of it
                night = self._keep(name, case, days)
                say(f"{case.origin}, night {number} of {len(self.cases) - 1}, {name}: "
                    f"{night.age:.1f} days old, {night.cpu_seconds:.0f} processor s")  # fmt: skip
                if scored:
                    found[name].append(night)
            if scored:
                yield found

    @property
    def _span(self) -> float:
        return float((self.cases[-1].origin - self.cases[0].origin) / np.timedelta64(1, "D"))

    def _keep(self, way: str, case: Case, days: float) -> RolledNight:
        """A night, which is worked on unless it was before."""
        home = case.file.parent / code_version()
        kept = home / "kept" / way / f"{case.origin}.npz"
        if not kept.exists():
            arrays = self._work(home / way, kept.with_suffix(".txt"), case, days)
            with staged(kept) as path:
                np.savez(path, **arrays, allow_pickle=False)
        with np.load(kept, allow_pickle=False) as arrays:
            names = [key.removesuffix(":mean") for key in arrays if key.endswith(":mean")]
            parts = {name: [arrays[f"{name}:{part}"] for part in ("quantiles", "mean", "sums")]
                     for name in names}  # fmt: skip
            said = {name: Prediction(name, OURS, *own) for name, own in parts.items()}
            return RolledNight(said, float(arrays["age"]), float(arrays["cpu"]))

    def _work(self, home: Path, output: Path, case: Case, days: float) -> dict[str, Any]:
        """A night in its folder, which is emptied first where all is fitted anew."""
        if days <= 0:
            shutil.rmtree(home, ignore_errors=True)
        if self.outside and not home.exists():
            keep_outside(self.outside, home / FOLDERS["DATA_DIR"])
        own = {**ONE_THREAD, "REFIT_DAYS": f"{days:g}"}
        cost = run_at(case, home, self.jobs, "--only-forecasts", output=output, **own)
        results = home / FOLDERS["ML_RESULTS_PATH"]
        arrays: dict[str, Any] = {"cpu": cost.cpu_seconds, "age": _age_of(results)}
        for one in read_version(case, results):
            arrays |= {f"{one.model}:quantiles": one.quantiles, f"{one.model}:mean": one.mean,
                       f"{one.model}:sums": one.sums}  # fmt: skip
        return arrays


def _age_of(results: Path) -> float:
    rows = read_dataset(results, FORECASTS.name)
    spans = rows["as_of"].to_numpy() - rows["fitted_at"].to_numpy()
    return float((spans / np.timedelta64(1, "D")).mean())


def open_trial(
    file: Path | None, *, items: int, days: int, nights: int, horizon: int, work: Path, seed: int
) -> tuple[list[Case], Mapping[str, pa.Table]]:
    """The nights, the earliest first, and outside tables, of a file or of synthetic items.

    Raises:
        DataError: The history is too short, or no item can be scored.
    """
    outside: Mapping[str, pa.Table] = {}
    dataset, sampled = SAMPLE, None
    if file is None:
        folder = work / "files"
        shutil.rmtree(folder, ignore_errors=True)
        drawn = draw_inputs(folder, items=items, days=days, seed=seed)
        file, outside = drawn.cases["next night"].files["--demand"], drawn.outside
    else:
        dataset, sampled = file.stem, items
    rules = Dataset(None, horizon, 1, (horizon // 2, horizon), nights + 1)
    cases = make_cases(dataset, file, origins=None, items=sampled, work=work, rules=rules)
    return cases[::-1], outside


def measure_nights(losses: Sequence[ItemLosses]) -> Measured:
    """What is compared, item by item at each night."""

    def stack(parts: Iterator[Floats]) -> Floats:
        return np.stack(list(parts))

    demand, sums = stack(one.demand for one in losses), stack(one.sum_demand for one in losses)
    tails = stack(one.sum_pinball.mean(axis=2) for one in losses)
    covered = stack(one.covered[:, INTERVAL] for one in losses)
    return {
        "WQL": (stack(one.pinball for one in losses), demand),
        "first sum, .8 to .99": (tails[..., 0], sums[..., 0]),
        "second sum, .8 to .99": (tails[..., 1], sums[..., 1]),
        "80 % interval": (covered, stack(one.count for one in losses)),
        "bias": (stack(one.surplus for one in losses), demand),
    }


def compare_nights(mine: Measured, anew: Measured) -> dict[str, tuple[Estimate, Estimate]]:
    """What going on costs by measure: more than what is fitted anew loses, as a share of that.

    Of what an interval covers, and of the bias, it is the difference. The first estimate counts
    each night as one, the second each of ``RUNS`` runs of neighbours.
    """
    found = {}
    for name, (losses, whole) in mine.items():
        top = losses - anew[name][0]
        bottom = whole if name in {"80 % interval", "bias"} else anew[name][0]
        starts = sorted({len(top) * run // RUNS for run in range(RUNS)})
        in_runs = [np.add.reduceat(part, starts, axis=0) for part in (top, bottom)]
        found[name] = estimate(top, bottom), estimate(in_runs[0], in_runs[1])
    return found


def format_trial(trial: RolledTrial, nights: Mapping[str, list[RolledNight]]) -> Iterator[str]:
    """Tables: each way as it is, and what going on costs, of the ensemble and of every model."""

    def measured(way: str, model: str) -> Measured:
        pairs = zip(trial.scored, nights[way], strict=False)  # as far as it is done
        return measure_nights([item_losses(case, night.said[model]) for case, night in pairs])

    names = list(measured(ANEW, ENSEMBLE))
    yield f"| way | {' | '.join(names)} | days old | processor s a night |"
    yield f"|{'---|' * (len(names) + 3)}"
    for way, found in nights.items():
        values = [top.sum() / bottom.sum() for top, bottom in measured(way, ENSEMBLE).values()]
        age, spent = (np.mean([getattr(one, name) for one in found])
                      for name in ("age", "cpu_seconds"))  # fmt: skip
        cells = " | ".join(f"{value:.4f}" for value in values)
        yield f"| {way} | {cells} | {age:.1f} | {spent:.0f} |"
    yield ""
    yield f"| against {ANEW}, % (± by night; ± by run of nights) | {' | '.join(names)} |"
    yield f"|{'---|' * (len(names) + 1)}"
    shared = [model for model in nights[ANEW][0].said
              if all(model in one.said for found in nights.values() for one in found)]  # fmt: skip
    for way, model in [(way, model) for way in nights if way != ANEW for model in shared]:
        found_of = compare_nights(measured(way, model), measured(ANEW, model))
        if not any(one.value for one, _ in found_of.values()):
            continue  # it is fitted in every run
        cells = " | ".join(
            f"{100 * one.value:+.2f} (± {100 * one.over_both:.2f}; ± {100 * wide.over_both:.2f})"
            for one, wide in found_of.values()
        )
        yield f"| {way}, {model} | {cells} |"


def main(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    file: Annotated[
        Path | None, typer.Option(help="Demand of real items; synthetic daily ones without it.")
    ] = None,
    items: Annotated[int, typer.Option(min=10, help="Items; of a file those of least hash.")] = 40,
    days: Annotated[int, typer.Option(min=150, help="Days that are drawn.")] = 330,
    nights: Annotated[int, typer.Option(min=2, help="That go on after the first.")] = 30,
    every: Annotated[int, typer.Option(min=1, help="Score, and fit anew, so often only.")] = 1,
    horizon: Annotated[
        int, typer.Option(min=2, help="Periods ahead; sums over half and all.")
    ] = 14,
    refit_days: Annotated[list[float] | None, typer.Option(help="Repeatable; else 7.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    work: Annotated[Path, typer.Option(help="What is kept.")] = Path("build/rolled"),
) -> None:
    """Print what nights that go on lose beside nights on which all is fitted anew."""
    with exit_on_error():
        # Whoever ends this one ends the night at work too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        cases, outside = open_trial(
            file, items=items, days=days, nights=nights, horizon=horizon, work=work.resolve(),
            seed=seed,
        )  # fmt: skip
        trial = RolledTrial(
            cases=cases, every=every, refit_days=tuple(refit_days or (7.0,)), jobs=jobs,
            outside=outside,
        )  # fmt: skip
        head = (
            f"{'synthetic' if file is None else file.stem}: {len(cases[0].items)} of "
            f"{len(cases[0].panel.items)} items scored, {horizon} periods ahead, the last of "
            f"{nights} nights {cases[-1].origin}, code {code_version()}"
        )
        path, lines = work / "rolled.md", [head]
        for done in trial.run():
            lines = [head, "", *format_trial(trial, done), ""]
            path.write_text("\n".join(lines), encoding="utf-8")
        print("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
