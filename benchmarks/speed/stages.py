"""What the log of a run says of its stages, whatever they are called."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ALL = "all"  # under which a stage logs its processor seconds as a whole
OUTSIDE = "outside of stages"  # start of Python and of workers, imports
FIT, PREDICT = "fit ", "predict "


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage of a run."""

    name: str
    seconds: float  # on the wall
    cpu: Mapping[str, float]  # processor seconds by what they were spent on; `all` of the whole


def read_stages(log: Path) -> list[StageCost]:
    """The stages of the last run that a log tells of, in its order; parts of a stage come first.

    Stages of one name, such as those of several panels, stay apart. Lines of other events, and
    a stage without processor seconds, are no error.
    """
    found: list[StageCost] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("event") == "started":
            found.clear()
        elif event.get("event") == "stage_done":
            cpu = event.get("cpu_seconds") or {}
            found.append(StageCost(event["stage"], float(event["seconds"]), cpu))
    return found


def add_up(stages: Iterable[StageCost], seconds: float, cpu_seconds: float) -> list[StageCost]:
    """Stages of one name in one line, in the order of their first; then what is outside of all.

    That is what is left of the seconds that the whole run took on the wall and on processors.
    """
    sums: dict[str, StageCost] = {}
    for one in stages:
        before = sums.get(one.name, StageCost(one.name, 0.0, {}))
        cpu = {what: before.cpu.get(what, 0.0) + one.cpu.get(what, 0.0)
               for what in {**before.cpu, **one.cpu}}  # fmt: skip
        sums[one.name] = StageCost(one.name, before.seconds + one.seconds, cpu)
    told = list(sums.values())
    rest = seconds - sum(one.seconds for one in told)
    spent = cpu_seconds - sum(one.cpu.get(ALL, 0.0) for one in told)
    return [*told, StageCost(OUTSIDE, max(rest, 0.0), {ALL: max(spent, 0.0)})]


def part_seconds(stages: Iterable[StageCost]) -> dict[str, float]:
    """Processor seconds by what they were spent on, over all stages, the most first."""
    sums: dict[str, float] = {}
    for one in stages:
        for what, spent in one.cpu.items():
            if what != ALL:
                sums[what] = sums.get(what, 0.0) + spent
    return dict(sorted(sums.items(), key=lambda part: -part[1]))


def model_seconds(parts: Mapping[str, float], model: str) -> float:
    """Processor seconds of a model's fits and predictions, at the origins too."""
    return parts.get(FIT + model, 0.0) + parts.get(PREDICT + model, 0.0)
