"""Which set of models is in use: the file of choices, and choices by hand."""

from dataclasses import replace

import pytest

from ml.durable import write_sealed
from ml.errors import ConfigError
from ml.run.model_sets import (
    BY_HAND,
    BY_RULE,
    FOLDER,
    SetChoice,
    choose_by_hand,
    last_tried,
    note_choice,
    read_choices,
    sets_aside,
    show_choices,
)

FIRST = SetChoice("demand_d", "code", "d-1", None, "d-1", BY_RULE, "2026-01-01", "nothing stood.")
LOST = replace(FIRST, challenger="d-2-challenger", champion="d-1", as_of="2026-01-08",
               reason="no better.", figures={"origins": 3})  # fmt: skip
WON = replace(LOST, challenger="d-3", taken="d-3", as_of="2026-01-15", reason="better.")


@pytest.fixture
def models(tmp_path):
    """A folder of models where the sets d-1, d-2-challenger and d-3 are there."""
    for name in ("d-1", "d-2-challenger", "d-3"):
        write_sealed(tmp_path / "nova_corrente" / name / "demand_d" / "state.json",
                     {"lineage": [name]})  # fmt: skip
    return tmp_path


def aside(models):
    return sets_aside(read_choices(models), "demand_d", "code")


def test_the_last_choice_that_a_set_took_part_in_says_whether_it_may_be_used(models):
    note_choice(models, FIRST)
    assert aside(models) == set()
    note_choice(models, LOST)
    assert aside(models) == {"d-2-challenger"}
    note_choice(models, WON)
    assert aside(models) == {"d-2-challenger", "d-1"}
    assert sets_aside(read_choices(models), "price_b", "code") == set()
    assert sets_aside(read_choices(models), "demand_d", "other code") == set()


def test_a_choice_that_is_made_again_stands_once_and_two_writers_lose_nothing(models):
    for choice in (FIRST, LOST, LOST):
        note_choice(models, choice)
    assert read_choices(models) == [FIRST, LOST]
    (models / FOLDER / "000003.json").write_text("{}")  # damaged, or of a writer who died
    note_choice(models, WON)
    assert read_choices(models) == [FIRST, LOST, WON]


def test_a_set_was_tried_when_it_was_last_compared_with_another(models):
    for choice in (FIRST, LOST):
        note_choice(models, choice)
    found = [last_tried(read_choices(models), "demand_d", "code", name) for name in ("d-1", "d-9")]
    assert found == ["2026-01-08", None]


def test_what_won_by_rule_goes_back_by_hand_to_what_it_replaced_and_comes_again(models):
    for choice in (FIRST, LOST, WON):
        note_choice(models, choice)
    choice = choose_by_hand(models, "demand_d/d-3", promote=False)
    assert (choice.taken, choice.by) == ("d-1", BY_HAND)
    assert aside(models) == {"d-2-challenger", "d-3"}
    choose_by_hand(models, "demand_d/d-3", promote=True)
    assert aside(models) == {"d-2-challenger", "d-1"}
    (line,) = show_choices(models, 1)
    assert line.startswith("by hand: demand_d/d-3 is in use instead of d-1, as of 2026-01-15: ")


@pytest.mark.parametrize(
    ("name", "promote", "words"),
    [
        ("demand_d/d-9", True, "'demand_d/d-9': no such set; there are 'demand_d/d-1'"),
        ("d-1", True, "no such set"),
        ("demand_d/d-3", True, "is in use already"),
        ("demand_d/d-1", False, "is not in use already"),
    ],
)
def test_a_choice_by_hand_that_makes_no_sense_is_refused(models, name, promote, words):
    for choice in (FIRST, LOST, WON):
        note_choice(models, choice)
    with pytest.raises(ConfigError, match=words):
        choose_by_hand(models, name, promote=promote)
    assert len(read_choices(models)) == 3


def test_the_only_set_cannot_be_set_aside_nor_one_whose_models_are_gone_be_used(models):
    note_choice(models, FIRST)
    with pytest.raises(ConfigError, match="is the only one: there is none to go back to"):
        choose_by_hand(models, "demand_d/d-1", promote=False)
    note_choice(models, LOST)
    (models / "nova_corrente/d-2-challenger/demand_d/state.json").unlink()
    with pytest.raises(ConfigError, match="its models were removed; --refit trains anew"):
        choose_by_hand(models, "demand_d/d-2-challenger", promote=True)
