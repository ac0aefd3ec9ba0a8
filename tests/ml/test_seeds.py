import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.seeds import generator, latin_uniforms, number


def test_a_number_is_the_start_of_the_names_hash_on_every_machine():
    # printf '7\037tsb\037BR-01' | sha256sum  (\037 separates the names)
    assert number(7, "tsb", "BR-01") == int("12977461d45fc62e", 16)
    assert number(7, "tsb", "BR-01", bits=32) == int("12977461", 16)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((0, "ab", "c"), (0, "a", "bc"), id="where a name ends"),
        pytest.param((1, "a"), (11, "a"), id="seed"),
        pytest.param((0, "1"), (0, "01"), id="leading zero of an id"),
        pytest.param((0, "a"), (0, "a", ""), id="an empty name"),
        pytest.param((0, "á"), (0, "a\u0301"), id="an accent written apart"),
    ],
)
def test_other_names_give_other_numbers(one, other):
    assert number(*one) != number(*other)


def test_draws_of_one_item_do_not_depend_on_who_drew_before():
    alone = generator(0, "tsb", "B").random(5)
    generator(0, "tsb", "A").random(1000)
    np.testing.assert_array_equal(generator(0, "tsb", "B").random(5), alone)


def test_items_draw_independently_of_each_other():
    draws = np.stack([generator(0, "m", f"item-{i}").random(4000) for i in range(6)])
    off_diagonal = np.corrcoef(draws)[np.triu_indices(6, 1)]
    # Standard error of a correlation of 4000 pairs: 0.016; the bound is 4 of them.
    assert np.abs(off_diagonal).max() < 0.064


@given(
    seed=st.integers(0, 2**63),
    names=st.lists(st.text(), max_size=3),
    bits=st.sampled_from([8, 32, 64]),
)
def test_any_text_is_a_name_and_the_number_keeps_within_its_bits(seed, names, bits):
    assert 0 <= number(seed, *names, bits=bits) < 2**bits


def test_an_id_that_is_no_valid_unicode_has_a_generator_too():
    assert 0 <= generator(0, "bad \udcff byte").random() < 1


@pytest.mark.parametrize(("n_paths", "horizon"), [(1, 3), (7, 1), (500, 12)])
def test_each_step_fills_the_unit_interval_evenly(n_paths, horizon):
    drawn = latin_uniforms(np.random.default_rng(1), n_paths, horizon)
    assert drawn.shape == (n_paths, horizon)
    strata = np.sort(np.floor(drawn * n_paths).astype(int), axis=0)
    np.testing.assert_array_equal(strata, np.tile(np.arange(n_paths)[:, None], horizon))


def test_steps_are_shuffled_apart_from_each_other():
    drawn = latin_uniforms(np.random.default_rng(2), 4000, 5)
    off_diagonal = np.corrcoef(drawn.T)[np.triu_indices(5, 1)]
    assert np.abs(off_diagonal).max() < 0.064  # four standard errors, as above


def test_the_mean_of_even_draws_has_almost_no_noise():
    # Within a stratum of width 1/n the error is uniform: standard error 1/sqrt(12 n^3) = 2.6e-5.
    means = latin_uniforms(np.random.default_rng(3), 500, 20).mean(axis=0)
    assert np.abs(means - 0.5).max() < 5 * 2.6e-5
