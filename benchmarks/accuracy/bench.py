"""The whole comparison: cases, forecasts, scores."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from benchmarks.accuracy.cases import Case, dataset_files, make_cases, sampled
from benchmarks.accuracy.comparison import Line, lines
from benchmarks.accuracy.measures import ItemLosses, item_losses
from benchmarks.accuracy.ours import read_version, run_job
from benchmarks.accuracy.own_past import own_past
from benchmarks.accuracy.peer_runs import MODELS, run_peers
from benchmarks.accuracy.predictions import Prediction
from benchmarks.accuracy.price_files import price_files
from benchmarks.accuracy.summed import with_sums
from ml.errors import ConfigError
from ml.run.plan import code_version

EVERY, PEERS = "all items", "items of the peers"
Scored = dict[str, list[tuple[Prediction, ItemLosses]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be compared; see the options of the command."""

    data: Path | None
    origins: int
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
        """
        prices = price_files(self.data)
        files = dataset_files(self.data, self.work, needed=not prices)
        known = (*files, *prices, *MODELS)
        unknown = [name for name in self.only if name not in known]
        if unknown:
            raise ConfigError(f"--only {unknown[0]}: choose from {', '.join(known)}.")
        if any(name in prices for name in self.only):
            return {n: f for n, f in files.items() if n in self.only}
        return {n: f for n, f in files.items() if n in self.only} or files


def compare(wanted: Wanted) -> tuple[list[Line], dict[str, object]]:
    """All lines, and plain facts about the run.

    Raises:
        PipelineError: Something is missing, or a forecast could not be made.
    """
    table: list[Line] = []
    cutoffs: list[str] = []
    files = wanted.datasets()
    if wanted.version is not None and (len(files) > 1 or wanted.origins > 1):
        raise ConfigError("--version: is of one dataset at one cutoff; name it with --only.")
    for dataset, file in files.items():
        cases = make_cases(dataset, file, origins=wanted.origins, items=wanted.items,
                           work=wanted.work)  # fmt: skip
        cutoffs += [f"{dataset} {case.origin}" for case in cases]
        table += _dataset(dataset, cases, wanted)
    about: dict[str, object] = {
        "cutoffs": ", ".join(cutoffs),
        "code": code_version(),
        "ours": "scored from a finished version" if wanted.version else "run for this table",
        "peers": ", ".join(wanted.peers()) or "not run",
        "peers' gaps": "filled by the value one season earlier; items mostly have none",
    }
    return table, about


def _dataset(dataset: str, cases: list[Case], wanted: Wanted) -> list[Line]:
    names = wanted.peers()
    part = cases[0].items
    if names and wanted.peer_items is not None:
        part = sampled(part, wanted.peer_items)
    places = [cases[0].items.index(item) for item in part]
    ours: Scored = {}
    peers: Scored = {}
    for case in cases:
        _score(case, _our_predictions(case, wanted), ours)
        if names:
            _say(f"{dataset}, {case.origin}: {len(names)} peers on {len(part)} items")
            small = replace(case, items=part)
            found = run_peers(small, names, wanted.jobs)
            _score(small, [with_sums(small, one) for one in found], peers)
    whole, others = _everywhere(ours, len(cases)), _everywhere(peers, len(cases))
    if len(part) == len(cases[0].items):
        return lines(dataset, EVERY, whole | others)
    mine = {name: (one, losses.rows(places)) for name, (one, losses) in whole.items()}
    return lines(dataset, EVERY, whole) + lines(dataset, PEERS, mine | others)


def _our_predictions(case: Case, wanted: Wanted) -> list[Prediction]:
    results, seconds = wanted.version, None
    if results is None:
        _say(f"{case.dataset}, {case.origin}: our job on {len(case.panel.items)} items, minutes")
        results, seconds = run_job(case, wanted.jobs)
        _say(f"{case.dataset}, {case.origin}: done in {seconds:.0f} s")
    published, *parts = read_version(case, results)
    return [replace(published, seconds=seconds), *parts, *own_past(case)]


def _score(case: Case, predictions: Iterable[Prediction], into: Scored) -> None:
    for one in predictions:
        into.setdefault(one.model, []).append((one, item_losses(case, one)))


def _everywhere(scored: Scored, cutoffs: int) -> dict[str, tuple[Prediction, ItemLosses]]:
    """Models that were there at every cutoff, each with its losses summed; others are named."""
    partial = [name for name, found in scored.items() if len(found) < cutoffs]
    if partial:
        _say(f"left out, for lack of history at some cutoff: {', '.join(partial)}")
    return {name: _summed(found) for name, found in scored.items() if name not in partial}


def _summed(found: list[tuple[Prediction, ItemLosses]]) -> tuple[Prediction, ItemLosses]:
    """All cutoffs of a model as one."""
    known = [one.seconds for one, _ in found if one.seconds is not None]
    losses = reduce(ItemLosses.plus, (losses for _, losses in found))
    mean = replace(losses, error=losses.error / len(found))
    return replace(found[0][0], seconds=sum(known) if known else None), mean


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
