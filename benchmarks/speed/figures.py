"""From the rounds to figures: medians, spreads and ratios."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.speed.job import CaseRun, StageCost, add_up, model_seconds, part_seconds
from benchmarks.speed.peers import PLAIN, POOLED_PROPHET, STATSFORECAST, PeerRun

COLD = "cold"


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured in turn: ours and the peers, once each."""

    runs: Mapping[str, CaseRun]  # by case
    peers: Mapping[str, PeerRun]  # by name
    load: float  # of the machine in the minute before it began: processes that want to run


@dataclass(frozen=True, slots=True)
class Size:
    """How many items the figures are of."""

    items: int
    backtested: int  # of them by our job: more than BACKTEST_ITEMS are sampled


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times longer something takes than ours does."""

    what: str
    of: str  # wall or processor seconds
    times: Spread


def spread(values: Iterable[float]) -> Spread:
    """Median, least and most of some values."""
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1])


def all_cases(rounds: Sequence[Round]) -> list[str]:
    """Cases that every round has, in their order."""
    return [case for case in rounds[0].runs if all(case in one.runs for one in rounds)]


def stage_lines(rounds: Sequence[Round], case: str) -> list[StageCost]:
    """Stages of a case, medians over the rounds, one line a name."""
    told = [add_up(run.stages, run.cost.seconds, run.cost.cpu_seconds) for run in _of(rounds, case)]
    names = dict.fromkeys(one.name for lines in told for one in lines)
    return [_middle([one for lines in told for one in lines if one.name == name])
            for name in names]  # fmt: skip


def _middle(lines: Sequence[StageCost]) -> StageCost:
    kinds = dict.fromkeys(what for one in lines for what in one.cpu)
    cpu = {what: statistics.median(one.cpu.get(what, 0.0) for one in lines) for what in kinds}
    return StageCost(lines[0].name, statistics.median(one.seconds for one in lines), cpu)


def part_lines(rounds: Sequence[Round], case: str) -> dict[str, float]:
    """Processor seconds of each model's fits and predictions and the like, medians."""
    told = [part_seconds(run.stages) for run in _of(rounds, case)]
    parts = dict.fromkeys(part for one in told for part in one)
    return {part: statistics.median(one.get(part, 0.0) for one in told) for part in parts}


def shares_of_cold(rounds: Sequence[Round], case: str) -> Spread:
    """What a case takes of the cold run of its round, on the wall."""
    return spread(one.runs[case].cost.seconds / one.runs[COLD].cost.seconds for one in rounds)


def peer_costs(rounds: Sequence[Round], peer: str, size: Size) -> tuple[Spread, Spread]:
    """What a peer takes for all items: wall and processor seconds."""
    found = [one.peers[peer].scale(size.items, size.backtested) for one in rounds]
    return spread(one.wall for one in found), spread(one.cpu for one in found)


def ratios(rounds: Sequence[Round], size: Size) -> Iterator[Ratio]:
    """Peers over ours of the same round, so that what else the machine does hits both.

    Yields:
        The plain recipe and the pool of Prophets against the whole job; statsforecast against the
        processor seconds of ARIMA's fits and predictions, Prophet likewise. A peer that was not
        run has none.
    """

    def wall(one: Round, peers: Sequence[str]) -> float:
        return sum(one.peers[name].scale(size.items, size.backtested).wall for name in peers)

    def cpu(one: Round, peers: Sequence[str]) -> float:
        return sum(one.peers[name].scale(size.items, size.backtested).cpu for name in peers)

    present = {name for name in rounds[0].peers if all(name in one.peers for one in rounds)}
    if set(PLAIN) <= present:
        what = "plain recipe, a loop, over the whole job"
        yield Ratio(
            what, "wall", spread(wall(one, PLAIN) / one.runs[COLD].cost.seconds for one in rounds)
        )
        yield Ratio(
            what,
            "processor",
            spread(cpu(one, PLAIN) / one.runs[COLD].cost.cpu_seconds for one in rounds),
        )
    if POOLED_PROPHET in present:
        yield Ratio(
            "Prophet alone in a pool over the whole job",
            "wall",
            spread(wall(one, [POOLED_PROPHET]) / one.runs[COLD].cost.seconds for one in rounds),
        )
    for peer, model in ((POOLED_PROPHET, "prophet"), (STATSFORECAST, "arima")):
        own = [model_seconds(part_seconds(one.runs[COLD].stages), model) for one in rounds]
        if peer in present and all(own):
            yield Ratio(
                f"{peer} over our {model}",
                "processor",
                spread(cpu(one, [peer]) / ours for one, ours in zip(rounds, own, strict=True)),
            )


def _of(rounds: Sequence[Round], case: str) -> list[CaseRun]:
    return [one.runs[case] for one in rounds]
