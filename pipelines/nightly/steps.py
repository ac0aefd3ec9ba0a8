"""The sequence of a night: its steps, what each runs, and what each depends on."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ml.durable import sha256_of
from ml.errors import ConfigError, DataError, first_few
from ml.processed import has_processed, processed_folder
from ml.setting_groups import (
    PROJECT,
    AddressSettings,
    BacktestSettings,
    IntakeSettings,
    OutsideSettings,
    PolicySettings,
    SettingsGroup,
)
from ml.settings import Settings
from pipelines.intake.find_files import collect_user_files, data_files
from pipelines.intake.read_tables import USER_FILES

OUTSIDE = ("climate_etl", "economic_etl", "anatel_5g_etl", "price_etl", "feature_calculation_etl")
PARTS = ("outside", "demand", "checks", "drift", "results", "publish", "prune")
"""The sequence, by the names that ``--steps`` understands."""
OF_DATA = ("outside", "demand")  # what is done where ENABLE_ML_PROCESSING is false
CHECKED = Path("nights", "checked.json")  # below DATA_DIR: what the checks of the input found
DRIFT = Path("nights", "drift.json")  # likewise: what people are told of drift, by panel
IN_LIFE = Path("nights", "in_life.json")  # likewise: of forecasts that came true, and coverage


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the night."""

    name: str  # what it is called in messages
    command: tuple[str, ...]  # program file and options
    # Whether the night ends where it fails. Without last night's weather there is still a
    # forecast to make.
    needed: bool = True
    part: str = ""  # of the sequence
    always: bool = False  # done although a needed step before it failed
    inputs: Callable[[], str] = field(default=lambda: "")  # one hash of all that it depends on


@dataclass(frozen=True, slots=True)
class NightRequest:
    """What one night is asked for."""

    to: Path | None = None  # folder to publish to; `None` = the object store of the settings
    results: Path | None = None  # results folder; `None` = that of the settings
    dry_run: bool = False  # only say what would be done
    force_retrain: bool = False  # train anew, whatever is there
    steps: tuple[str, ...] | None = None  # parts of the sequence to do; `None` = all
    publish: bool = True  # whether what is made is published

    def __post_init__(self) -> None:
        """Refuse steps that there are not."""
        unknown = [name for name in self.steps or () if name not in PARTS]
        if unknown:
            raise ConfigError(
                f"--steps: there is no step {first_few(unknown)}. Choose from: {', '.join(PARTS)}."
            )

    def parts(self, config: Settings) -> tuple[str, ...]:
        """The parts of the sequence that this night consists of, in order."""
        there = PARTS if config.enable_ml_processing else OF_DATA
        chosen = {*(self.steps or PARTS)} - (set() if self.publish else {"publish"})
        chosen |= {"checks"} if "results" in chosen else set()  # they choose what it does
        return tuple(part for part in there if part in chosen)


def plan_steps(config: Settings, asked: NightRequest) -> list[Step]:
    """The steps of a night that can be told beforehand: those there is something for.

    Outside data first, where external APIs are enabled; the user's files, where there are any; the
    checks; the main job; publishing; and clearing.
    """
    parts, today = asked.parts(config), str(config.current_day)
    place = ("--results", str(asked.results)) if asked.results else ()
    target = ("--to", str(asked.to)) if asked.to else ()
    deploy = str(PROJECT / "scripts" / "deploy_ml_results.py")
    results = asked.results or config.ml_results_path
    found: list[Step] = []
    if config.enable_external_apis:
        found += [
            Step(name, (str(PROJECT / "pipelines" / f"{name}.py"),), needed=False, part="outside",
                 inputs=lambda: fingerprint(today, groups(config, OutsideSettings,
                                                          AddressSettings), all_code()))
            for name in OUTSIDE
        ]  # fmt: skip
    if has_user_files(config.data_dir):
        found.append(
            Step("demand_etl", (str(PROJECT / "pipelines" / "demand_etl.py"),), part="demand",
                 inputs=lambda: fingerprint(today, [*user_files(config.data_dir)],
                                            groups(config, IntakeSettings), all_code()))
        )  # fmt: skip
    found.append(
        Step(
            "check_inputs", ("-m", "pipelines.nightly.looks", "check-inputs", *place), part="checks"
        )
    )
    if has_user_files(config.data_dir) or has_processed(config.data_dir):
        found.append(
            Step("look_for_drift", ("-m", "pipelines.nightly.looks", "look-for-drift", *place),
                 needed=False, part="drift",
                 inputs=lambda: fingerprint(today, [*processed_files(config.data_dir)], all_code()))
        )  # fmt: skip
    found.append(_results_step(config, asked))
    found.append(
        Step("deploy_ml_results", (deploy, *place, *target), part="publish",
             inputs=lambda: fingerprint(today, newest_record(results), target))
    )  # fmt: skip
    found.append(
        Step("clear", (deploy, "--gc", "--local", *place), needed=False, part="prune", always=True)
    )
    return [step for step in found if step.part in parts]


def _results_step(config: Settings, asked: NightRequest) -> Step:
    """The main job, which makes anew what is not there of the same data, code and settings."""
    place = ("--results", str(asked.results)) if asked.results else ()
    return Step(
        "generate_ml_results",
        (str(PROJECT / "scripts" / "generate_ml_results.py"), *place,
         *(("--refit",) if asked.force_retrain else ())),
        part="results",
        inputs=lambda: fingerprint(
            str(config.current_day), [*processed_files(config.data_dir)], asked.force_retrain,
            groups(config, PolicySettings, BacktestSettings), all_code(),
        ),
    )  # fmt: skip


def groups(config: Settings, *wanted: type[SettingsGroup]) -> dict[str, Any]:
    """Settings of some groups by name; a secret is not told."""
    return {name: getattr(config, name) for group in wanted for name in group.model_fields}


def fingerprint(*parts: object) -> str:
    """Sixteen hexadecimal digits that stand for these plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def has_user_files(data_dir: Path) -> bool:
    """Whether the user's folder holds anything to be read, were it something odd."""
    try:
        return bool(collect_user_files(data_dir / USER_FILES))
    except DataError:  # who reads it says so
        return True


def user_files(data_dir: Path) -> Iterator[tuple[str, int, str]]:
    """The user's files: name below DATA_DIR, bytes and sha256 of each."""
    tables = collect_user_files(data_dir / USER_FILES)
    return describe_files(data_dir, (file for path in tables.values() for file in data_files(path)))


def processed_files(data_dir: Path) -> Iterator[tuple[str, int, str]]:
    """The tables that models are made of, likewise."""
    found = processed_folder(data_dir).glob("*.parquet") if has_processed(data_dir) else ()
    return describe_files(data_dir, found)


def describe_files(data_dir: Path, files: Iterable[Path]) -> Iterator[tuple[str, int, str]]:
    """Name below DATA_DIR, bytes and sha256 of each file, by name."""
    for path in sorted(files):
        yield path.relative_to(data_dir).as_posix(), path.stat().st_size, sha256_of(path)


def newest_record(results: Path) -> tuple[int, str, bool]:
    """Number and version of the newest record of a results folder, and whether it is a part."""
    from ml.artifacts import log
    from ml.artifacts.folder_store import results_store

    head = log.newest(results_store(results)) if results.is_dir() else None
    return (0, "", False) if head is None else (head.seq, head.version_id, head.partial)


@cache
def all_code() -> str:
    """Twelve hexadecimal digits of all code of the project; any edit changes them."""
    digest = hashlib.sha256()
    for package in ("ml", "pipelines", "scripts"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            digest.update(path.relative_to(PROJECT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
