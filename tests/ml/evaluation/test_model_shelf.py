"""What models said, in a file: the same numbers as the arrays that it stands in for."""

import numpy as np
import pytest

from ml.evaluation.model_shelf import join_models, shelve


@pytest.fixture
def chunks():
    """Three chunks of items, of which two arrays are kept, by four models."""
    rng = np.random.default_rng(0)
    return [
        [rng.random((4, items, steps, 5), np.float32) for steps in (3, 2)] for items in (2, 1, 6)
    ]


def whole(chunks, place):
    return np.concatenate([chunk[place] for chunk in chunks], axis=1)


@pytest.mark.parametrize(
    "key",
    [2, -1, slice(1, 3), [3, 0], np.array([True, False, True, True]), np.zeros(4, bool),
     (slice(None), slice(1, 4)), (1, slice(2, 5), 0)],
    ids=str,
)  # fmt: skip
def test_a_shelf_answers_as_the_array_that_it_stands_in_for(chunks, key):
    for place, shelf in enumerate(shelve(chunks)):
        array = whole(chunks, place)
        np.testing.assert_array_equal(shelf[key], array[key])
        np.testing.assert_array_equal(shelf, array)
        assert shelf.shape == array.shape
        assert len(shelf) == len([*shelf]) == 4


def test_models_of_arrays_and_shelves_stand_side_by_side(chunks):
    shelf, array = shelve(chunks)[0], whole(chunks, 0)
    for one, other in ((shelf, array), (array, shelf), (shelf, shelf), (array, array)):
        both = join_models(one, other)
        assert both.shape == (8, *array.shape[1:])
        np.testing.assert_array_equal(both, np.concatenate([array, array]))


def test_chunks_are_asked_for_one_after_the_other_and_nothing_is_left_of_the_file(
    chunks, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shelves = shelve(chunk for chunk in chunks)
    np.testing.assert_array_equal(shelves[1], whole(chunks, 1))
    assert not list(tmp_path.iterdir())
