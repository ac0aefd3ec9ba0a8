"""What a run is going to do with one panel, decided before anything is computed."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ml.drivers.study import Study
from ml.ensemble.mixture import ENSEMBLE_PATHS
from ml.evaluation.origins import choose_cutoffs
from ml.forecasters.base import N_PATHS
from ml.forecasters.registry import models_of
from ml.frequency import Frequency, weekday
from ml.panel import Drivers, Panel, learnable_items
from ml.seeds import number

CHUNK_BYTES = 48e6  # sample paths of one chunk in one worker
LARGEST_CHUNK = 256


@dataclass(frozen=True, slots=True)
class PanelPlan:
    """One panel and everything about its run that shapes the result.

    Attributes:
        panel: The usable series until ``as_of``.
        learnable: Items that pooled models and weights are learned from.
        wanted: Items that are fitted one by one and written.
        horizon: Published steps H.
        reach: Steps predicted: at least H, and the longest protection interval.
        protection: Steps of the protection interval of each item of the panel, so that what an
            item gets does not depend on which others are asked for.
        backtest_items: Items that the backtest runs on.
        origins: Its cutoffs, latest first.
        seed: Of the run.
        study: What is known of the outside drivers; ``None`` where there are none.
    """

    panel: Panel
    learnable: tuple[str, ...]
    wanted: tuple[str, ...]
    horizon: int
    reach: int
    protection: tuple[int, ...]
    backtest_items: tuple[str, ...]
    origins: tuple[np.datetime64, ...]
    seed: int
    study: Study | None = None

    @property
    def name(self) -> str:
        """Name of the panel in files and on the screen; weeks carry the day they start on."""
        name = f"{self.panel.kind}_{self.panel.frequency.value.lower()}"
        if self.panel.frequency is Frequency.WEEKLY:
            day = int(weekday(self.panel.periods[:1])[0])
            name += "_" + ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day]
        return name

    def drivers_at(self, cutoff: np.datetime64) -> Drivers | None:
        """Contributions to all items of the panel as known at a cutoff; ``None`` = not used."""
        return self.study.drivers.get(str(cutoff)) if self.study is not None else None

    def train_at(self, cutoff: np.datetime64) -> Panel:
        """The panel as it was at a cutoff, with the drivers as they were known then."""
        return replace(self.panel.until(cutoff), drivers=self.drivers_at(cutoff))

    def drivers_key(self) -> str:
        """Name of all that drivers contribute, at every cutoff; models are made with it."""
        if self.study is None or not self.study.drivers:
            return ""
        digest = hashlib.sha256()
        for day, drivers in sorted(self.study.drivers.items()):
            history = drivers.contribution[:, : drivers.last + 1]  # without what a horizon adds
            digest.update(f"{day}|{drivers.groups}|{drivers.features}|{drivers.lag}".encode())
            digest.update(np.ascontiguousarray(history).tobytes())
        return digest.hexdigest()[:12]

    @property
    def models(self) -> tuple[str, ...]:
        """All component models."""
        return models_of(self.panel.kind)

    def chunks(self, items: tuple[str, ...], steps: int) -> tuple[tuple[str, ...], ...]:
        """``items`` in portions whose paths fit a worker's memory; results do not depend on it."""
        per_item = (len(self.models) * N_PATHS + ENSEMBLE_PATHS) * steps * 4.0
        size = int(np.clip(CHUNK_BYTES / per_item, 2, LARGEST_CHUNK))
        size = max(1, min(size, -(-len(items) // 8)))
        return tuple(items[start : start + size] for start in range(0, len(items), size))


def make_plan(
    panel: Panel,
    *,
    wanted: tuple[str, ...],
    horizon: int | None,
    protection: tuple[int, ...],
    backtest_items: int,
    seed: int,
) -> PanelPlan:
    """Decide horizon, origins and the backtest's sample of one panel.

    Args:
        panel: The usable series.
        wanted: Items to write, a subset of the panel's.
        horizon: Published steps; ``None`` = the frequency's default.
        protection: Protection interval of each item of the panel [periods].
        backtest_items: Most items that the backtest runs on. Where there are more, those with
            the smallest hash of their id are taken, whatever else is in the file.
        seed: Of the run.
    """
    steps = horizon or panel.frequency.default_horizon
    learnable = learnable_items(panel)
    sample = sorted(learnable, key=lambda item: number(seed, "backtest", item))[:backtest_items]
    learned = panel.select(learnable) if learnable else panel
    return PanelPlan(
        panel=panel,
        learnable=learnable,
        wanted=wanted,
        horizon=steps,
        reach=max((steps, *protection)),
        protection=protection,
        backtest_items=tuple(sorted(sample)),
        origins=choose_cutoffs(learned, steps) if learnable else (),
        seed=seed,
    )


@cache
def code_version() -> str:
    """Version of the project, and eight digits of the code that computes.

    The digits change with any edit below ``ml/``, so nothing made by other code passes for ours.
    """
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    try:
        release = version("previsor")
    except PackageNotFoundError:
        release = "0"
    return f"{release}+{digest.hexdigest()[:8]}"


def fingerprint(*parts: object) -> str:
    """Twelve hexadecimal digits that stand for these plain values."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
