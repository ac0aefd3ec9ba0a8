"""Which of several sets of fitted models is in use: every choice, in order, and what it rested on.

A set is all that was fitted of a panel at one time, named by the panel and the dataset that it was
fitted on first: ``demand_d/1a2b3c``. A choice is a file of ``MODELS_DIR/sets/``, written once and
numbered, so that a run and a person who choose at the same moment lose nothing. The last choice
that a set took part in says whether it may be used; one that was never in doubt may.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml.durable import create_once, make_folder, read_sealed, write_sealed
from ml.errors import ConfigError, first_few

COMPANY = "nova_corrente"  # folder of all datasets below `MODELS_DIR`
FOLDER = "sets"  # of all choices, likewise
BY_RULE, BY_HAND = "rule", "hand"
CHALLENGER = "-challenger"  # ends the names of folders of what was trained against a set in use


@dataclass(frozen=True, slots=True)
class SetChoice:
    """One choice between a set that was newly trained, or named by a person, and the one in use."""

    panel: str  # its name
    made_by: str  # code and settings of both
    challenger: str  # dataset that it was fitted on first
    champion: str | None  # likewise; `None` = nothing was in use that it could be compared with
    taken: str  # the one of them that is in use from now on
    by: str  # BY_RULE or BY_HAND
    as_of: str  # last period of the panel
    reason: str  # a sentence
    figures: Mapping[str, Any] = field(default_factory=dict)  # that the rule went by

    @property
    def promoted(self) -> bool:
        """Whether the challenger is in use from now on."""
        return self.taken == self.challenger

    @property
    def text(self) -> str:
        """All of it in a line."""
        name = f"{self.panel}/{self.taken}"
        if self.promoted:
            other = f" instead of {self.champion}" if self.champion else ""
            return f"{name} is in use{other}, as of {self.as_of}: {self.reason}"
        return f"{name} stays in use beside {self.challenger}, as of {self.as_of}: {self.reason}"


def read_choices(models_dir: Path) -> list[SetChoice]:
    """All choices, oldest first; a damaged file is passed over."""
    found = [read_sealed(path) for path in sorted((models_dir / FOLDER).glob("[0-9]*.json"))]
    return [SetChoice(**facts) for facts in found if facts is not None]


def note_choice(models_dir: Path, choice: SetChoice) -> None:
    """Keep a choice, on the disk when this returns; the last one said again is not new."""
    folder, known = models_dir / FOLDER, read_choices(models_dir)
    own = [one for one in known if (one.panel, one.made_by) == (choice.panel, choice.made_by)]
    facts = json.loads(json.dumps(asdict(choice)))
    if own and asdict(own[-1]) == facts:
        return
    make_folder(folder)
    number = len(known) + 1
    beside = folder / f".{os.getpid()}-new"
    while not create_once(write_sealed(beside, facts), folder / f"{number:06d}.json"):
        number += 1


def sets_aside(choices: Sequence[SetChoice], panel: str, made_by: str) -> frozenset[str]:
    """Sets of a panel that the last choice which they took part in went against."""
    standing: dict[str, bool] = {}
    for one in choices:
        if (one.panel, one.made_by) == (panel, made_by):
            standing |= {name: name == one.taken for name in (one.challenger, one.champion) if name}
    return frozenset(name for name, stands in standing.items() if not stands)


def last_tried(choices: Sequence[SetChoice], panel: str, made_by: str, name: str) -> str | None:
    """Last period of the panel when a set was last compared with another one."""
    days = [one.as_of for one in choices
            if (one.panel, one.made_by) == (panel, made_by) and one.champion == name]  # fmt: skip
    return max(days, default=None)


def choose_by_hand(models_dir: Path, name: str, *, promote: bool) -> SetChoice:
    """Put a set in use, or the one back that it took the place of.

    Its name is that of one that took part in a choice, ``PANEL/DATASET``.

    Raises:
        ConfigError: No choice knows of it, it is in use (is not) already, or its models or those
            of the one to go back to were removed.
    """
    choices, (panel, _, own) = read_choices(models_dir), name.rpartition("/")
    about = [one for one in choices if one.panel == panel and own in {one.challenger, one.champion}]
    if not about:
        sets = dict.fromkeys(f"{one.panel}/{part}" for one in choices
                             for part in (one.challenger, one.champion) if part)  # fmt: skip
        raise ConfigError(f"'{name}': no such set; there are {first_few([*sets]) or 'none yet'}.")
    made_by = about[-1].made_by
    about = [one for one in about if one.made_by == made_by]
    if (own not in sets_aside(choices, panel, made_by)) == promote:
        raise ConfigError(f"'{name}' is {'' if promote else 'not '}in use already.")
    rivals = [rival for one in about for rival in (one.challenger, one.champion)
              if rival is not None and rival != own]  # fmt: skip
    if not rivals:
        raise ConfigError(f"'{name}' is the only one: there is none to go back to.")
    taken = own if promote else rivals[-1]
    if not _has_models(models_dir, panel, taken):
        raise ConfigError(f"'{panel}/{taken}': its models were removed; --refit trains anew.")
    in_use = [one.taken for one in choices if (one.panel, one.made_by) == (panel, made_by)][-1]
    said = f"previsor {'promote' if promote else 'demote'} {name}."
    choice = SetChoice(panel, made_by, own, in_use if promote else taken, taken, BY_HAND,
                       about[-1].as_of, said)  # fmt: skip
    note_choice(models_dir, choice)
    return choice


def _has_models(models_dir: Path, panel: str, name: str) -> bool:
    """Whether there is a state that began with a set."""
    found = (read_sealed(path) for path in models_dir.glob(f"*/*/{panel}/state.json"))
    return any(facts is not None and facts["lineage"][0] == name for facts in found)


def show_choices(models_dir: Path, last: int) -> list[str]:
    """The last choices, newest first, a line each."""
    return [f"by {one.by}: {one.text}" for one in read_choices(models_dir)[: -last - 1 : -1]]
