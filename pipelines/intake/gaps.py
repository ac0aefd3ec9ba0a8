"""What a period without a row means: not observed, or nothing moved."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.intake.grid import Dense
from pipelines.intake.series import Rows
from pipelines.intake.source import Mask
from pipelines.intake.wording import counted

ZEROS_SHARE = 0.01  # of the rows; fewer recorded zeros are slips in a log of movements
PRESENT_SHARE = 0.5  # of the periods inside the items' spans


@dataclass(frozen=True, slots=True)
class GapRule:
    """What absent periods become, and why.

    Attributes:
        name: ``missing`` or ``zero``.
        reason: Half a sentence.
    """

    name: str
    reason: str


def gap_rule(asked: str, given: Rows, made: Dense, *, usable: Mask) -> GapRule:
    """Decide what absent periods of demand mean.

    Args:
        asked: ``missing``, ``zero`` or ``auto``.
        given: Rows of the usable items as they were read.
        made: All items, dense.
        usable: (N,) items that have a say.
    """
    if asked != "auto":
        return GapRule(asked, "as asked for")
    zeros, observed = int((given.values == 0).sum()), int((~np.isnan(given.values)).sum())
    if zeros and zeros >= ZEROS_SHARE * observed:
        return GapRule("missing", f"the file records {counted(zeros, 'zero')} itself")
    counted_in = usable[made.rows.items]
    periods, present = int(counted_in.sum()), int((counted_in & ~made.absent).sum())
    share = f"{present / periods:.0%} of the periods between first and last rows are there"
    if present >= PRESENT_SHARE * periods:
        return GapRule("missing", share)
    return GapRule(
        "zero", f"the file is a log of movements: no zeros are recorded and only {share}"
    )


def fill_gaps(made: Dense, rule: GapRule) -> Rows:
    """The dense rows with absent periods as the rule has it."""
    if rule.name == "missing":
        return made.rows
    return replace(made.rows, values=np.where(made.absent, 0.0, made.rows.values))


def gap_statement(made: Dense, rule: GapRule, *, usable: Mask, where: str) -> str:
    """The rule in a sentence."""
    absent = int((made.absent & usable[made.rows.items]).sum())
    if not absent:
        return f"{where}: every item has a row for each period from its first to its last."
    meaning = "not observed" if rule.name == "missing" else "zero demand"
    return (
        f"{where}: {counted(absent, 'period')} without a row between first and last rows "
        f"of items are read as {meaning} ({rule.reason}); --gaps missing or zero decides otherwise."
    )
