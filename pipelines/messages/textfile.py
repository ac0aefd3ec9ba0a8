"""Figures of the nights for Prometheus, as the textfile collector of its node exporter reads them.

The file is replaced as a whole. What a night does not know it leaves as the file before had it, so
that a night that fails does not take the last success away.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from ml.durable import replace, write_file

_SAMPLE = re.compile(r'(previsor_[a-z_]+)(?:\{([a-z_]+)="((?:[^"\\\n]|\\.)*)"\})? (\S+)')
_DAY_SECONDS = 86400
HELP = {
    "previsor_last_run_timestamp_seconds": "When the last night ended.",
    "previsor_last_run_exit_code": "Exit code of the last night, 0 = done.",
    "previsor_last_success_timestamp_seconds": "When a night last ended well.",
    "previsor_data_cutoff_timestamp_seconds": "Start of the last period that the data hold.",
    "previsor_rows": "Rows of the version published last.",
    "previsor_step_seconds": "Seconds that each step of the last night took.",
    "previsor_realised_coverage": "Share of what came true inside the 80 % intervals.",
    "previsor_open_conditions": "Conditions that hold.",
}
Samples = dict[tuple[str, str, str], str]
"""Values as text, by name, label and the label's value."""


@dataclass(frozen=True, slots=True)
class NightFigures:
    """What a night knows of itself; what it does not know stays as it was."""

    ended: datetime  # with a time zone
    exit_code: int
    steps: Mapping[str, float]  # seconds by name
    conditions: int | None  # open ones
    data_until: Mapping[str, date] = field(default_factory=dict)  # last period by panel
    rows: Mapping[str, int] = field(default_factory=dict)  # by table
    coverage: Mapping[str, float] = field(default_factory=dict)  # realised, by panel


def write_textfile(path: Path, figures: NightFigures) -> None:
    """Bring the file up to date, durably; readers see the old one or the new one.

    It is put together beside its place under another ending, which the collector passes over.

    Raises:
        OSError: The disk refuses.
    """
    samples = dict(_read(path)) | _samples(figures)
    for name, known in (("previsor_step_seconds", figures.steps), ("previsor_rows", figures.rows),
                        ("previsor_data_cutoff_timestamp_seconds", figures.data_until),
                        ("previsor_realised_coverage", figures.coverage)):  # fmt: skip
        if known:  # steps and panels that are no more go
            samples = {key: value for key, value in samples.items()
                       if key[0] != name or key[2] in known}  # fmt: skip
    beside = path.with_name(f"{path.name}.new")
    write_file(beside, "".join(f"{line}\n" for line in _lines(samples)))
    replace(beside, path)


def _samples(figures: NightFigures) -> Samples:
    stamp = f"{figures.ended.timestamp():.0f}"
    samples: Samples = {
        ("previsor_last_run_timestamp_seconds", "", ""): stamp,
        ("previsor_last_run_exit_code", "", ""): str(figures.exit_code),
    }
    if figures.conditions is not None:
        samples["previsor_open_conditions", "", ""] = str(figures.conditions)
    if figures.exit_code == 0:
        samples["previsor_last_success_timestamp_seconds", "", ""] = stamp
    for name, day in figures.data_until.items():
        seconds = (day - date(1970, 1, 1)).days * _DAY_SECONDS
        samples["previsor_data_cutoff_timestamp_seconds", "panel", name] = str(seconds)
    for name, seconds_ in figures.steps.items():
        samples["previsor_step_seconds", "step", name] = f"{seconds_:.3f}"
    for name, rows in figures.rows.items():
        samples["previsor_rows", "table", name] = str(rows)
    for name, share in figures.coverage.items():
        samples["previsor_realised_coverage", "panel", name] = f"{share:.4f}"
    return samples


def _lines(samples: Samples) -> Iterator[str]:
    for name, meaning in HELP.items():
        own = sorted(key for key in samples if key[0] == name)
        if own:
            yield f"# HELP {name} {meaning}"
            yield f"# TYPE {name} gauge"
        for key in own:
            label = f'{{{key[1]}="{_escape(key[2])}"}}' if key[1] else ""
            yield f"{name}{label} {samples[key]}"


def _read(path: Path) -> Iterator[tuple[tuple[str, str, str], str]]:
    """What the file before says; lines that are not ours are passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return
    for line in lines:
        match = _SAMPLE.fullmatch(line)
        if match is not None and match[1] in HELP:
            yield (match[1], match[2] or "", _unescape(match[3] or "")), match[4]


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)
