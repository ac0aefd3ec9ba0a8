"""Telling people how a night went, by its conditions, and monitors by figures and the heartbeat.

None of it can fail a night; what could not be said is a line, and stands in the log.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from ml.durable import read_sealed
from ml.errors import PipelineError
from ml.frequency import Frequency
from ml.settings import Settings
from pipelines.messages.conditions import NightFinding, open_conditions
from pipelines.messages.textfile import NightFigures
from pipelines.messages.watch import (
    beat,
    find_late_data,
    find_missed_nights,
    tell_people,
    write_figures,
)
from pipelines.nightly.found_drift import keep_seen, read_findings, read_life
from pipelines.nightly.ledger import moment, night_ledger
from pipelines.nightly.steps import CHECKED

GATE_CLOSED = 4  # exit code of publishing


def tell_how_it_went(
    config: Settings,
    run: int,
    run_id: str,
    *,
    code: int,
    line: str,
    last_night: tuple[date, datetime] | None,
    planned: Sequence[str],
) -> list[str]:
    """Bring conditions, figures and heartbeat up to date; what could not be said.

    ``run`` is its number in the ledger, which has its steps; ``code`` and ``line`` are its exit
    code and last line, ``last_night`` day and end of the last one before that came to its end, and
    ``planned`` the parts of the sequence that it consists of.
    """
    now = moment(config)
    steps = _read_steps(config, run)
    checked = _read_fresh(config, steps)
    looked = _was_done(steps, "look_for_drift")
    findings = [
        *_find_failures(steps, code, line),
        *find_missed_nights(None if last_night is None else last_night[1], now, config.night_hours),
        *_find_in_data(config, checked),
        *(read_findings(config.data_dir) if looked else ()),
    ]
    looked_at = _judged(steps, planned, checked)
    try:
        with night_ledger(config.data_dir) as db:
            _, unsaid = tell_people(
                db, findings, looked_at=looked_at, run_id=run_id, now=now, config=config
            )
            holding: int | None = len(open_conditions(db))
            made = db.execute("SELECT rows FROM versions WHERE run = ?", [run]).fetchone()
        if looked:
            keep_seen(config.data_dir)
    except PipelineError as error:  # a full disk: monitors hear of the night all the same
        unsaid, holding, made = [f"nobody was told how this night went: {error}"], None, None
    figures = NightFigures(
        ended=now,
        exit_code=code,
        steps={step["name"]: step["seconds"] for step in steps if step["seconds"] is not None},
        conditions=holding,
        data_until={
            name: date.fromisoformat(panel["until"]) for name, panel in _panels(checked).items()
        },
        rows={} if made is None else json.loads(made["rows"]),
        coverage=read_life(config.data_dir).get("coverage", {}) if looked else {},
    )
    lacking = [write_figures(config.metrics_textfile, figures)]
    if code == 0:
        lacking.append(beat(config.heartbeat_url))
    return [*unsaid, *filter(None, lacking)]


def _read_steps(config: Settings, run: int) -> list[dict[str, Any]]:
    with night_ledger(config.data_dir) as db:
        rows = db.execute("SELECT * FROM steps WHERE run = ? ORDER BY id", [run]).fetchall()
    return [dict(row) for row in rows]


def _read_fresh(config: Settings, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What this night's checks found; nothing where they were not done."""
    if not _was_done(steps, "check_inputs"):
        return {}
    return read_sealed(config.data_dir / CHECKED) or {}


def _panels(checked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    panels: dict[str, dict[str, Any]] = checked.get("panels", {})
    return panels


def _find_failures(steps: Sequence[dict[str, Any]], code: int, line: str) -> Iterator[NightFinding]:
    for step in steps:
        if step["outcome"] == "degraded":
            yield NightFinding("degraded", step["name"], step["last_line"])
        if step["outcome"] != "failed":
            continue
        said = step["last_line"] or f"exit code {step['exit_code']}"
        if step["name"] == "deploy_ml_results" and step["exit_code"] == GATE_CLOSED:
            yield NightFinding("gate_closed", "", said)
        elif not json.loads(step["facts"])["needed"]:
            yield NightFinding("degraded", step["name"], said)
    if code not in {0, GATE_CLOSED}:
        yield NightFinding("failed", "", line)


def _find_in_data(config: Settings, checked: dict[str, Any]) -> list[NightFinding]:
    if checked.get("synthetic"):
        return []
    until = {
        name: (date.fromisoformat(panel["until"]), Frequency(panel["frequency"]))
        for name, panel in _panels(checked).items()
    }
    return find_late_data(until, config.current_day, config.late_periods)


def _was_done(steps: Sequence[dict[str, Any]], name: str) -> bool:
    return any(step["name"] == name and step["exit_code"] == 0 for step in steps)


def _judged(
    steps: Sequence[dict[str, Any]], planned: Sequence[str], checked: dict[str, Any]
) -> set[str]:
    """Kinds of conditions that this night could see the end of."""
    kinds = {"missed_night"}
    if "publish" in planned:
        kinds.add("failed")
    if "outside" in planned or "prune" in planned:
        kinds.add("degraded")
    if any(step["name"] == "deploy_ml_results" for step in steps):
        kinds.add("gate_closed")
    if checked:
        kinds.add("data_late")
    if _was_done(steps, "look_for_drift"):
        kinds |= {"drift", "wrong_in_life"}
    return kinds
