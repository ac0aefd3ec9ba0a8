import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.panel import Drivers


def drivers(contribution, *, ahead, persistence, lag, last, changes=False):
    """One class and one group, features in the last axis of ``contribution`` (P, F)."""
    count = contribution.shape[1]
    return Drivers(
        groups=("g",),
        features=tuple(f"f{i}" for i in range(count)),
        contribution=contribution[None],
        group_of=np.zeros(count, np.int64),
        ahead=np.asarray(ahead, bool),
        persistence=np.asarray(persistence, float),
        lag=np.asarray(lag, np.int64),
        last=last,
        class_of=np.zeros(3, np.int64),
        changes=changes,
    )


def seen(found, origin, places):
    rows = np.zeros(1, np.int64)
    return found.seen_from(rows, np.array([origin]), np.array([places]))[0, :, 0]


def test_a_past_only_driver_fades_after_the_last_known_day():
    # Known up to 4 - 1 = 3 at origin 4: 8 there, then halved every period.
    found = drivers(np.array([[1.0, 2.0, 4.0, 8.0, 99.0, 99.0, 99.0]]).T, ahead=[False],
                    persistence=[0.5], lag=[1], last=4)  # fmt: skip
    assert seen(found, 4, [2, 3, 4, 5, 6]).tolist() == [4.0, 8.0, 4.0, 2.0, 1.0]


def test_a_future_known_driver_is_what_it_is_at_every_origin():
    values = np.array([[1.0, 2.0, 3.0, 4.0]]).T
    found = drivers(values, ahead=[True], persistence=[0.1], lag=[0], last=1)
    assert seen(found, 0, [0, 1, 2, 3]).tolist() == seen(found, 1, [0, 1, 2, 3]).tolist()
    assert seen(found, 1, [2, 3]).tolist() == [3.0, 4.0]


@given(
    origin=st.integers(0, 9), lag=st.integers(0, 4),
    noise=st.floats(-1e6, 1e6, allow_nan=False),
)  # fmt: skip
def test_nothing_after_what_is_known_at_an_origin_is_ever_read(origin, lag, noise):
    values = np.arange(12.0)[:, None]
    changed = values.copy()
    changed[max(origin - lag, 0) + 1 :] = noise
    kit = {"ahead": [False], "persistence": [0.9], "lag": [lag], "last": 9}
    places = list(range(12))
    assert seen(drivers(values, **kit), origin, places).tolist() == (
        seen(drivers(changed, **kit), origin, places).tolist()
    )


def test_features_of_one_group_add_up():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    found = drivers(values, ahead=[True, True], persistence=[1, 1], lag=[0, 0], last=1)
    assert seen(found, 1, [0, 1, 2]).tolist() == [11.0, 22.0, 33.0]


def test_contributions_to_changes_are_summed_from_the_origin_on():
    # Changes of 1, 2, 4 after the origin: levels of 1, 3, 7 above it.
    values = np.array([[5.0, 1.0, 2.0, 4.0]]).T
    found = drivers(values, ahead=[True], persistence=[1], lag=[0], last=0, changes=True)
    steps = np.array([[1, 3, 2]])
    levels = found.ahead_of(np.zeros(1, np.int64), np.array([0]), steps)
    assert levels[0, :, 0].tolist() == [1.0, 7.0, 3.0]


def test_earlier_periods_in_front_move_nothing_that_was_there():
    found = drivers(np.array([[1.0, 2.0, 0.0]]).T, ahead=[False], persistence=[0.5], lag=[0],
                    last=1)  # fmt: skip
    longer = found.behind(3)
    assert longer.last == 4
    assert longer.contribution_to(0, 1)[:, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0, 1.0]


def test_selected_items_keep_their_class():
    two = drivers(np.ones((3, 1)), ahead=[True], persistence=[1], lag=[0], last=1)
    picked = two.rows([2])
    assert picked.class_of.tolist() == [0]
    assert picked.contribution_to(0, 1).shape == (3, 1)


def test_the_contribution_to_an_item_reaches_over_history_and_horizon():
    values = np.array([[1.0, 2.0, 0.0, 0.0]]).T
    found = drivers(values, ahead=[False], persistence=[0.5], lag=[0], last=1)
    assert found.contribution_to(0, 2)[:, 0] == pytest.approx([1.0, 2.0, 1.0, 0.5])
