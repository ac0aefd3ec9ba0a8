"""What the trials of the drivers add up to: gains with intervals, and which groups are used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.drivers.trial import ALL, Trial
from ml.frequency import Frequency, periods_after

CONFIDENCE = 0.9
LEAST_ORIGINS = 6


@dataclass(frozen=True, slots=True)
class Gain:
    """Change of the scaled pinball loss that a group of drivers makes; below 0 = it helps.

    Attributes:
        demand_class: Class, ``*`` = all.
        group: Drivers.
        foreseen: With the drivers' later values given (what they explain), or as known then.
        change: Mean over origins.
        low: Lower end of the 90 % interval over origins (Student).
        high: Upper end.
        without: Mean loss without the group.
        origins: Origins behind it.
        count: Item-steps behind it.
    """

    demand_class: str
    group: str
    foreseen: bool
    change: float
    low: float
    high: float
    without: float
    origins: int
    count: int


def gains(trials: Iterable[Trial]) -> list[Gain]:
    """Gains by class, group and knowledge; those tried at too few origins are left out."""
    found: dict[tuple[str, str, bool], list[Trial]] = {}
    for trial in trials:
        key = (trial.demand_class, trial.group, trial.foreseen)
        found.setdefault(key, []).append(trial)
    return [
        _gain(key, own) for key, own in sorted(found.items()) if len(own) >= LEAST_ORIGINS
    ]  # fmt: skip


def _gain(key: tuple[str, str, bool], trials: Sequence[Trial]) -> Gain:
    changes = np.array([trial.change for trial in trials])
    error = changes.std(ddof=1) / np.sqrt(len(changes))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(changes) - 1) * error)
    mean = float(changes.mean())
    return Gain(
        *key,
        change=mean,
        low=mean - reach,
        high=mean + reach,
        without=float(np.mean([trial.without for trial in trials])),
        origins=len(trials),
        count=sum(trial.count for trial in trials),
    )


def over_by(
    trials: Iterable[Trial], cutoff: np.datetime64, horizon: int, frequency: Frequency
) -> list[Trial]:
    """Trials of which every outcome was known at ``cutoff``."""
    return [
        trial for trial in trials if periods_after(trial.origin, horizon, frequency)[-1] <= cutoff
    ]


def chosen_groups(found: Sequence[Gain], classes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Groups that each class uses: those that help beyond noise, as known at the time.

    A class uses a group if its own interval lies below 0; or if that of the panel does, and the
    class's own mean does not speak against it.
    """
    known = {(gain.demand_class, gain.group): gain for gain in found if not gain.foreseen}
    groups = dict.fromkeys(gain.group for gain in found)
    return {
        name: tuple(group for group in groups if _helps(known, name, group)) for name in classes
    }


def _helps(known: dict[tuple[str, str], Gain], name: str, group: str) -> bool:
    own, panel = known.get((name, group)), known.get((ALL, group))
    if own is not None and own.high < 0:
        return True
    speaks_against = own is not None and own.change >= 0
    return panel is not None and panel.high < 0 and not speaks_against
