"""What a night calls at its end: conditions, messages, figures and the heartbeat, in this order.

None of it can fail a night: what could not be said is returned as lines, and stands in the log.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
from pydantic import SecretStr

from ml.errors import ConfigError
from ml.frequency import Frequency, period_end, periods_after
from ml.logs import logger
from ml.setting_groups import WatchSettings
from pipelines.messages.conditions import (
    ConditionChange,
    NightFinding,
    prepare_tables,
    update_conditions,
)
from pipelines.messages.outbox import deliver
from pipelines.messages.textfile import NightFigures, write_textfile
from pipelines.messages.transport import addresses_of, check_addresses, keep_quiet, send

TRIAL = "This is a trial, nothing has happened: messages about nights arrive here."
PAUSES = (0.0, 2.0, 10.0)  # seconds before each attempt to reach the heartbeat's address
SECONDS = 10.0  # for one of them


def tell_people(
    db: sqlite3.Connection,
    findings: Sequence[NightFinding],
    *,
    looked_at: Collection[str],
    run_id: str,
    now: datetime,
    config: WatchSettings,
) -> tuple[list[ConditionChange], list[str]]:
    """Bring the conditions up to date and send the messages that are due.

    The arguments are those of :func:`update_conditions`; ``db`` is the run ledger, outside of a
    transaction, and tables that are missing are created.

    Returns:
        What opened or ended, and a line for each message that was not taken.
    """
    addresses = addresses_of(config.message_urls)
    prepare_tables(db)
    changes = update_conditions(
        db, findings, looked_at=looked_at, run_id=run_id, now=now, addresses=[*addresses]
    )
    db.commit()
    for one in changes:
        logger().info("condition", change=one.event, kind=one.kind, subject=one.subject)
    return changes, deliver(db, addresses, most_attempts=config.message_attempts)


def try_addresses(config: WatchSettings, now: datetime) -> Iterator[tuple[str, str | None]]:
    """Send a trial message to each address; its name, and the reason where it was not taken.

    The ledger is not touched: a trial is no message of a night.

    Raises:
        ConfigError: There are no addresses, or there is one that nothing can be sent to.
    """
    addresses = addresses_of(config.message_urls)
    if not addresses:
        raise ConfigError("MESSAGE_URLS is empty: nobody is told anything. See docs/watching.md.")
    check_addresses(addresses)
    stamp = f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    for name, url in addresses.items():
        reason = send(url, "Previsor: trial message", f"{TRIAL} Sent {stamp} to {name}.")
        logger().info("trial_message", to=name, reason=reason)
        yield name, reason


def write_figures(path: Path | None, figures: NightFigures) -> str | None:
    """Write the figures where the settings say so; the reason in words where that failed."""
    if path is None:
        return None
    try:
        write_textfile(path, figures)
    except OSError as error:
        logger().warning("figures_not_written", file=str(path), reason=str(error))
        return f"figures: '{path}': {error.strerror or error}"
    return None


def beat(address: SecretStr, *, pause: Callable[[float], None] = time.sleep) -> str | None:
    """Ask the heartbeat's address; ``None`` where it answered well or there is none.

    Else the reason in words. It never holds the address, which is a secret: whoever knows it can
    keep the monitor quiet, which raises the alarm when this sign of life stays away. Call it once,
    after a night that ended well, degraded or not.
    """
    url, reason = address.get_secret_value(), None
    if not url:
        return None
    for wait in PAUSES:
        if wait:
            pause(wait)
        reason = _ask(url)
        if reason is None:
            logger().info("heartbeat_sent")
            return None
    logger().warning("heartbeat_not_sent", reason=reason)
    return f"the heartbeat's address was asked {len(PAUSES)} times: {reason}"


def _ask(url: str) -> str | None:
    try:
        # Named by its class alone: what httpx says and logs holds the address.
        with keep_quiet("httpx", "httpcore"):
            answer = httpx.get(url, timeout=SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__
    return None if answer.is_success else f"status {answer.status_code}"


def find_missed_nights(
    last_end: datetime | None, now: datetime, hours_between: float
) -> list[NightFinding]:
    """Whether nights did not run, or did not come to an end of their own, since the last that did.

    Half a night of grace is given: they do not take equally long.
    """
    if last_end is None:
        return []
    missed = int((now - last_end) / timedelta(hours=hours_between) - 0.5)
    if missed < 1:
        return []
    plural = "" if missed == 1 else "s"
    when = f"{last_end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = f"{missed} night{plural} missed: the last one ended {when}."
    return [NightFinding("missed_night", "", text)]


def find_late_data(
    data_until: Mapping[str, tuple[date, Frequency]], today: date, late_periods: int
) -> list[NightFinding]:
    """Panels whose last period is more than so many periods behind the last one that is over.

    ``data_until`` has the start of a panel's last period, and its frequency.
    """
    findings = []
    for name, (last, frequency) in data_until.items():
        due = periods_after(np.datetime64(last), late_periods + 1, frequency)[-1]
        over = period_end(due, frequency).astype(date)
        if over < today:
            text = (
                f"{name}: the data end with the period of {last}; that of {due} was over on {over}."
            )
            findings.append(NightFinding("data_late", name, text))
    return findings
