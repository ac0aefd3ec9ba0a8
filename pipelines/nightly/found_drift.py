"""What a night has found of drift and of forecasts in life, and which models it asks to train anew.

Models are trained anew when they are old enough (``REFIT_DAYS``). They are sooner where people are
told of drift in their panel, or that they are wrong in life: each such message asks once, and the
newly trained ones have to prove themselves as ever (:mod:`ml.run.challenge`). A history that was
rewritten asks for nothing: a run fits the items concerned by itself.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ml.durable import disk_errors, read_sealed, replace
from pipelines.messages.conditions import NightFinding, judge_news, prepare_tables
from pipelines.nightly.steps import CHECKED, DRIFT, IN_LIFE

SEEN = Path("nights", "history")  # below DATA_DIR: history as people know it, by panel
NEXT = SEEN / "next"  # likewise, as the night at work has found it
RETRAIN = "retrain"  # what such decisions are about, in the ledger
WHY = {"drift": "drift was found", "wrong_in_life": "the models are wrong in life"}


def read_life(data_dir: Path) -> dict[str, Any]:
    """What was found of forecasts that came true: `told` and `named` by panel, and `coverage`."""
    return read_sealed(data_dir / IN_LIFE) or {}


def read_findings(data_dir: Path) -> Iterator[NightFinding]:
    """What people are to be told of it; the caller knows that it was looked for tonight."""
    for kind, found in (
        ("drift", read_sealed(data_dir / DRIFT) or {}),
        ("wrong_in_life", read_life(data_dir)),
    ):
        for subject, lines in found.get("told", {}).items():
            named = frozenset((sort, name) for sort, name in found["named"].get(subject, ()))
            yield NightFinding(kind, subject, " ".join(lines), named)


def keep_seen(data_dir: Path) -> None:
    """Let the next nights compare history with what this one found: people have been told of it.

    Before that they would not hear of what a night had found that was killed.

    Raises:
        PublishError: The disk refuses.
    """
    with disk_errors("keeping what is known of history", "The next night tells of it once more."):
        for path in sorted((data_dir / NEXT).glob("*.parquet")):
            replace(path, data_dir / SEEN / path.name)


def ask_retraining(data_dir: Path, db: sqlite3.Connection) -> dict[str, str]:
    """The panels whose models are to be trained anew tonight, each with the reason.

    Args:
        data_dir: With what the checks of the input and the look for drift have found.
        db: The run ledger; what of it people know already asks for nothing again, unless no
            training came of it.
    """
    prepare_tables(db)
    panels = (read_sealed(data_dir / CHECKED) or {}).get("panels", {})
    return dict(_ask(db, read_findings(data_dir), panels))


def _ask(
    db: sqlite3.Connection, findings: Iterable[NightFinding], panels: Collection[str]
) -> Iterator[tuple[str, str]]:
    for one in findings:
        if one.subject in panels and (judge_news(db, one) or not _was_tried(db, one)):
            yield one.subject, f"{one.subject} is trained anew, for {WHY[one.kind]}: {one.text}"


def _was_tried(db: sqlite3.Connection, one: NightFinding) -> bool:
    """Whether models were trained for a condition since it opened."""
    row = db.execute(
        "SELECT 1 FROM decisions JOIN conditions ON kind = ? AND subject = ? AND ended_at IS NULL "
        "WHERE about = ? AND choice = subject AND "
        "run >= (SELECT id FROM runs WHERE run_id = opened_run)",
        [one.kind, one.subject, RETRAIN],
    ).fetchone()
    return row is not None
