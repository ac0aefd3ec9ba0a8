"""The whole comparison: cases, forecasts, scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.accuracy.cases import (
    DATASETS,
    SAMPLE,
    SAMPLE_ITEMS,
    Case,
    Prediction,
    dataset_files,
    make_cases,
    sample_folder,
    sampled,
)
from benchmarks.accuracy.comparison import Line, lines
from benchmarks.accuracy.drawn_periods import own_past, with_sums
from benchmarks.accuracy.measures import ItemLosses, item_losses
from benchmarks.accuracy.ours import read_version, run_job
from benchmarks.accuracy.peer_runs import MODELS, run_peers
from benchmarks.accuracy.planted import Effect, planted_effects
from benchmarks.accuracy.prices import price_files
from benchmarks.speed.watch import say
from ml.errors import ConfigError, DataError, PipelineError
from ml.reporting.metrics import ENSEMBLE
from pipelines.sample_data import ensure_sample

EVERY, PEERS = "all items", "items of the peers"
Scored = dict[str, list[tuple[Prediction, ItemLosses]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be compared; see the options of the command."""

    data: Path | None
    origins: int | None
    items: int | None
    peer_items: int | None
    only: tuple[str, ...]
    version: Path | None
    skip_peers: bool
    jobs: int | None
    work: Path

    def peers(self) -> tuple[str, ...]:
        """Models of the peers that are run."""
        named = tuple(name for name in MODELS if name in self.only)
        return () if self.skip_peers else named or MODELS

    def datasets(self) -> dict[str, Path]:
        """Files that are forecast.

        Raises:
            ConfigError: ``--only`` names what is neither a dataset nor a peer.
            DataError: A folder was named and holds nothing that can be compared.
        """
        prices = price_files(self.data)
        files = dataset_files(self.data, self.work, self.only)
        if not files and not prices:
            known = [one.file for one in DATASETS.values() if one.file]
            raise DataError(f"DATA: '{self.data}' holds none of {', '.join(known)}.")
        known = [*files, *prices, SAMPLE, *MODELS]
        unknown = [name for name in self.only if name not in known]
        if unknown:
            raise ConfigError(f"--only {unknown[0]}: choose from {', '.join(known)}.")
        named = {name: file for name, file in files.items() if name in self.only}
        return named if any(name in prices for name in self.only) else named or files


@dataclass(frozen=True, slots=True)
class Compared:
    """What one dataset gave."""

    dataset: str  # name
    cutoffs: tuple[str, ...]  # starts of the last periods seen, latest first
    lines: list[Line]  # one a model and scope
    # what is planted in the sample, and what of it the forecasts show; else empty
    effects: list[Effect]
    # what the job, and the peers, took at all cutoffs; `None` = not run
    seconds: tuple[float | None, float | None]


@dataclass(slots=True)
class _Found:
    """Predictions and losses of one dataset by model, one a cutoff."""

    ours: Scored = field(default_factory=dict)
    peers: Scored = field(default_factory=dict)


def compare(wanted: Wanted) -> Iterator[Compared | PipelineError]:
    """What one dataset after the other gave, or why it gave nothing.

    Raises:
        ConfigError: Options that do not go together.
    """
    files = wanted.datasets()
    if wanted.version is not None and (len(files) > 1 or (wanted.origins or 1) > 1):
        raise ConfigError("--version: is of one dataset at one cutoff; name it with --only.")
    for dataset, file in files.items():
        try:
            yield _dataset(dataset, file, wanted)
        except PipelineError as error:
            yield error


def _dataset(dataset: str, file: Path, wanted: Wanted) -> Compared:
    origins = wanted.origins if wanted.version is None else 1
    truth = None
    if dataset == SAMPLE:
        truth = ensure_sample(sample_folder(wanted.work), items=SAMPLE_ITEMS).truth
    cases = make_cases(dataset, file, origins=origins, items=wanted.items, work=wanted.work)
    whole, names = cases[0].items, wanted.peers()
    part = whole
    if names and wanted.peer_items is not None:
        part = sampled(part, wanted.peer_items)
    found = _Found()
    for case in cases:
        _score(case, _our_predictions(case, wanted), found.ours)
        if names:
            say(f"{dataset}, {case.origin}: {len(names)} peers on {len(part)} items")
            small = replace(case, items=part)
            peers = run_peers(small, names, wanted.jobs)
            _score(small, [with_sums(small, one) for one in peers], found.peers)
    published = [prediction for prediction, _ in found.ours[ENSEMBLE]]
    return Compared(
        dataset=dataset,
        cutoffs=tuple(str(case.origin) for case in cases),
        lines=_lines(dataset, cases, found, [whole.index(item) for item in part]),
        effects=planted_effects(cases, published, truth) if truth else [],
        seconds=(_seconds([found.ours[ENSEMBLE]]), _seconds(found.peers.values())),
    )


def _lines(dataset: str, cases: list[Case], found: _Found, part: list[int]) -> list[Line]:
    """Lines of all items and, where the peers had fewer, of those, at positions ``part``."""
    ours, others = _everywhere(found.ours, len(cases)), _everywhere(found.peers, len(cases))
    sums = cases[0].sums
    if len(part) == len(cases[0].items):
        return lines(dataset, EVERY, sums, ours | others)
    mine = {name: (one, [losses.rows(part) for losses in all_of])
            for name, (one, all_of) in ours.items()}  # fmt: skip
    return lines(dataset, EVERY, sums, ours) + lines(dataset, PEERS, sums, mine | others)


def _our_predictions(case: Case, wanted: Wanted) -> list[Prediction]:
    results, seconds = wanted.version, None
    if results is None:
        say(f"{case.dataset}, {case.origin}: our job on {len(case.panel.items)} items, minutes")
        results, seconds = run_job(case, wanted.jobs)
        say(f"{case.dataset}, {case.origin}: done in {seconds:.0f} s")
    published, *parts = read_version(case, results)
    return [replace(published, seconds=seconds), *parts, *own_past(case)]


def _score(case: Case, predictions: Iterable[Prediction], into: Scored) -> None:
    for one in predictions:
        into.setdefault(one.model, []).append((one, item_losses(case, one)))


def _everywhere(scored: Scored, cutoffs: int) -> dict[str, tuple[Prediction, list[ItemLosses]]]:
    """Models that were there at every cutoff, with their losses at each; others are named."""
    partial = [name for name, found in scored.items() if len(found) < cutoffs]
    if partial:
        say(f"left out, for lack of history at some cutoff: {', '.join(partial)}")
    return {
        name: (replace(found[0][0], seconds=_seconds([found])), [losses for _, losses in found])
        for name, found in scored.items()
        if name not in partial
    }


def _seconds(scored: Iterable[list[tuple[Prediction, ItemLosses]]]) -> float | None:
    """What these models took at all cutoffs, as far as anybody stopped the time."""
    known = [one.seconds for found in scored for one, _ in found if one.seconds is not None]
    return sum(known) if known else None
