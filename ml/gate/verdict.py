"""The verdict on a version: its rules judged, written down, read back and told."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ml.artifacts.documents import FORMAT
from ml.errors import ModelError
from ml.gate.facts import Facts, JudgedCase, worst
from ml.gate.rules import RULES, Rule

GATE = "metadata/gate.json"
PASSED, CLOSED, ACCEPTED, NOT_JUDGED = "passed", "closed", "accepted", "not judged"


class GateError(ModelError):
    """A version that may not go out; ``details`` has one line a rule."""

    def __init__(self, message: str, details: Iterable[str]) -> None:
        super().__init__(message)
        self.details = tuple(details)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rule judged."""

    name: str  # of the rule
    value: float | None  # what was measured, in the rule's unit
    limit: float  # that it was compared with
    verdict: str  # passed, closed, accepted or not judged
    text: str = ""  # where closed or accepted: what is wrong, what to do, how to accept it


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rules judged."""

    version_id: str  # of the version judged
    against: str | None  # the version compared with, `None` = none
    rules: tuple[Outcome, ...]  # in the order of RULES
    facts: Facts  # that the rules looked at

    @property
    def closed(self) -> tuple[Outcome, ...]:
        """The rules that keep the version back."""
        return tuple(one for one in self.rules if one.verdict == CLOSED)

    @property
    def summary(self) -> list[str]:
        """What people are told at the end of a run."""
        counts = Counter(one.verdict for one in self.rules)
        told = f"{counts[PASSED]} rules passed, {counts[NOT_JUDGED]} could not be judged"
        against = f"compared with {self.against}" if self.against else "there is none before it"
        if not self.closed:
            return [f"gate: this version may go out ({against}): {told}"]
        closed = f"{counts[CLOSED]} closed, {told}"
        return [f"gate: this version may not go out ({against}): {closed}", *self.lines]

    @property
    def lines(self) -> list[str]:
        """What is wrong, one line a rule."""
        return [f"gate: {one.name}: {one.text}" for one in self.closed]


def judge(case: JudgedCase, accepted: Iterable[str] = ()) -> Verdict:
    """Judge a version by all rules; ``accepted`` ones do not keep it back."""
    taken = frozenset(accepted)
    return Verdict(
        version_id=case.now.version_id,
        against=case.base.version_id if case.base else None,
        rules=tuple(_apply(rule, case, accepted=rule.name in taken) for rule in RULES),
        facts=case.now,
    )


def _apply(rule: Rule, case: JudgedCase, *, accepted: bool) -> Outcome:
    found = worst(rule.measure(case, rule.limit))
    if found is None:
        return Outcome(rule.name, None, rule.limit, NOT_JUDGED)
    limit = rule.limit if found.limit is None else found.limit
    value, limit = round(float(found.value), 4), round(float(limit), 4)
    if value <= limit:
        return Outcome(rule.name, value, limit, PASSED)
    how = f", or --accept {rule.name}" if rule.acceptable else ""
    text = f"{found.text} ({value:g} {rule.unit}, limit {limit:g}). {rule.remedy}{how}."
    return Outcome(rule.name, value, limit, ACCEPTED if accepted else CLOSED, text)


def refuse_closed(verdict: Verdict, where: str) -> None:
    """Raise if the gate is closed.

    Raises:
        GateError: It is; the message names the rules and how a person passes them.
    """
    closed = [one.name for one in verdict.closed]
    if not closed:
        return
    options = {rule.name: f"--accept {rule.name}" for rule in RULES if rule.acceptable}
    wanted = " ".join(options.get(name, "") for name in closed).split()
    how = f" Correct that, or look and run deploy_ml_results {' '.join(wanted)}" if wanted else ""
    raise GateError(
        f"{where}: the gate is closed for version {verdict.version_id} by {', '.join(closed)}; "
        f"nothing was published, and what is published stays. {verdict.closed[0].text}{how}",
        verdict.lines,
    )


def to_document(verdict: Verdict) -> dict[str, Any]:
    """The document ``metadata/gate.json``."""
    return {
        "format": FORMAT,
        "version_id": verdict.version_id,
        "against": verdict.against,
        "open": not verdict.closed,
        "rules": [asdict(one) for one in verdict.rules],
        "facts": asdict(verdict.facts),
    }


def to_record(verdict: Verdict) -> Mapping[str, Any]:
    """What the record in a store's log keeps: all rules, and those that a person accepted."""
    return {
        "against": verdict.against,
        "accepted": [one.name for one in verdict.rules if one.verdict == ACCEPTED],
        "rules": [asdict(one) for one in verdict.rules],
    }
