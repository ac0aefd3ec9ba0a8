"""What a rule is asked, and what it answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from ml.gate.facts import Facts, PanelFacts

WORSE = 1.25  # what was published may be exceeded by this factor, where it is above the limit


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A version, and what it would follow."""

    now: Facts  # of the version
    before: Facts | None  # of the newest version there, `None` = there is none, or it is not known
    today: date  # day of the judgement
    allow_synthetic: bool = False  # whether made-up results may go out
    follows: bool = False  # whether there is a version before, known or not

    @property
    def base(self) -> Facts | None:
        """What to compare with: nothing, where only the version before is made up."""
        rehearsed = self.before is not None and self.before.made_up and not self.now.made_up
        return None if rehearsed else self.before

    def panels(self) -> Iterator[tuple[PanelFacts, PanelFacts]]:
        """Panels of both versions, the version's own first."""
        for name, before in (self.base.panels if self.base else {}).items():
            if name in self.now.panels:
                yield self.now.panels[name], before


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured."""

    value: float  # in the rule's unit
    text: str  # the same in words, with the first offenders
    limit: float | None = None  # instead of the rule's own


Measure = Callable[[JudgedCase, float], Iterator[Measurement]]


def items_of(facts: Facts | None) -> dict[str, set[str]]:
    """Items with a forecast, by kind."""
    found: dict[str, set[str]] = {}
    for panel in facts.panels.values() if facts else ():
        found.setdefault(panel.kind, set()).update(panel.items)
    return found


def factor(now: float, before: float, *, slack: float = 0.0) -> float:
    """How many times larger the larger of two amounts is; a large number where one is zero."""
    small, large = sorted((abs(now) + slack, abs(before) + slack))
    if (now < 0) != (before < 0):
        small = slack
    return 1.0 if large <= 0 else min(large / small, 1e6) if small > 0 else 1e6


def worst(findings: Iterator[Measurement]) -> Measurement | None:
    """The finding farthest beyond its limit, or the largest; ``None`` of none."""
    return max(findings, key=lambda one: (one.value - (one.limit or 0.0), one.value), default=None)
