"""Accepted settings of a panel's models: ``MODELS_DIR/tuning/<panel>/<family>.json``.

They outlive the dataset that they were found on, so a night's run uses those of the last tuning.
A file is what a tuning found, be it accepted or refused; to go back to the defaults, remove it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ml.durable import make_folder, read_sealed, write_sealed
from ml.errors import ConfigError
from ml.forecasters.tunable import RANGES, Settings

FOLDER = "tuning"
Tuned = Mapping[str, Settings]  # by family; none of one that has its defaults


@dataclass(frozen=True, slots=True)
class TuningResult:
    """What a tuning found for one family of one panel."""

    panel: str
    family: str
    accepted: bool  # whether the candidate is used from now on
    settings: Settings  # what is used from now on; empty = the defaults
    present: Settings  # what was used before, all settings that can be tuned
    candidate: Settings  # the best ones on older origins
    # share of the present loss that the candidate saves on newer origins, with its 95 % interval
    # over items and origins; `None` where the present settings were the best already
    saved: tuple[float, float, float] | None
    trials: Sequence[Mapping[str, object]]  # settings and score of each on older origins
    older: tuple[str, ...]  # origins that candidates were chosen on
    newer: tuple[str, ...]  # origins that the best one was judged on
    horizon: int  # steps ahead at each
    items: int  # how many
    seed: int
    code: str  # version that it was found with
    dataset: str  # content name of the panels


def save_result(result: TuningResult, models_dir: Path) -> Path:
    """Write it where runs find it; what was found before is replaced."""
    path = _path(models_dir, result.panel, result.family)
    make_folder(path.parent)
    return write_sealed(path, asdict(result))


def read_tuned(models_dir: Path, panel: str) -> dict[str, Settings]:
    """Settings of each family that has some of its own.

    Raises:
        ConfigError: A file is damaged, or names settings that the family does not have.
    """
    found = {}
    for family, ranges in RANGES.items():
        path = _path(models_dir, panel, family)
        if not path.exists():
            continue
        known = read_sealed(path) or {}
        settings = known.get("settings")
        if settings is None or not settings.keys() <= ranges.keys():
            raise ConfigError(
                f"tuning: '{path}' is damaged or of another version of the code. "
                "Run previsor tune again, or remove it to use the defaults."
            )
        if settings:
            found[family] = settings
    return found


def _path(models_dir: Path, panel: str, family: str) -> Path:
    return models_dir / FOLDER / panel / f"{family}.json"


def describe(result: TuningResult) -> list[str]:
    """What a tuning found, for people."""
    head = f"{result.panel}, {result.family}"
    tried = f"{len(result.trials)} candidates at {', '.join(result.older)}"
    if result.saved is None:
        return [f"{head}: kept: of {tried} none was better than the present settings"]
    value, low, high = (f"{share:+.1%}" for share in result.saved)
    word = "accepted" if result.accepted else "kept: the best candidate is not surely better"
    changed = [
        f"  {name}: {result.present[name]:g} -> {new:g}"
        for name, new in result.candidate.items()
        if new != result.present[name]
    ]
    found = f"loss saved at {', '.join(result.newer)}: {value} ({low} to {high})"
    about = f"{result.horizon} ahead, {result.items} items"
    return [f"{head}: {word}", f"  best of {tried}; {found}, {about}", *changed]
