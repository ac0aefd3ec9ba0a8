"""How large a demand of the panel's items typically is, and how much that says of one of them."""

import numpy as np
import pytest

from ml.forecasters import typical_size
from ml.forecasters.typical_size import measure_typical


@pytest.mark.parametrize(("between", "pull"), [(2.0, 0.09), (0.6, 1.0), (0.2, 9.0)])
def test_the_typical_size_pulls_by_how_much_the_sizes_of_items_are_alike(between, pull):
    # Log sizes with a variance of .36 within items: in units of the variance between them.
    rng = np.random.default_rng(2)
    middle = rng.normal(3, between, (2000, 1))
    values = np.exp(middle + 0.6 * rng.standard_normal((2000, 40)))
    values[rng.random(values.shape) > rng.choice([0.05, 0.3], (2000, 1))] = 0
    found = measure_typical(values).at(-1)
    assert found.pull == pytest.approx(pull, rel=0.3)
    # The log of a mean is above the mean of logs, by half their variance where there are many.
    assert 3 - 0.1 < found.log < 3 + 0.36 / 2 + 0.1


def test_items_that_are_all_alike_or_asked_for_once_have_a_typical_size_too():
    assert measure_typical(np.full((5, 30), 7.0)).pull[-1] == 20  # the most
    assert measure_typical(np.full((5, 30), 7.0)).log == pytest.approx(np.log(7))
    once = measure_typical(np.diag([1.0, 10, 100])).at(-1)  # mean log: that of 10
    assert once.log == pytest.approx(np.log(10))
    assert 0 < once.pull < 1  # sizes differ by more than a demand of variance 1 explains
    assert (measure_typical(np.full((2, 3), np.nan)).log == 0).all()


def test_what_follows_a_period_changes_nothing_of_it_and_groups_of_items_neither(monkeypatch):
    values = np.random.default_rng(1).gamma(0.1, 50, (30, 40)).round()
    values[3, 20:] = np.nan
    whole = measure_typical(values)
    monkeypatch.setattr(typical_size, "TOGETHER", 7)
    for period in (0, 5, 39):
        until = measure_typical(values[:, : period + 1]).at(-1)
        assert until.log == pytest.approx(whole.log[period])
        assert until.pull == pytest.approx(whole.pull[period])


def test_a_size_is_drawn_in_logarithms_by_as_many_demands_as_the_typical_one_is_worth():
    # Items of 10 and 1,000 three times each: typical is 100, worth (1 / (1 + 4)) / (2.303 ** 2
    # - .2 / 3) = .0382 demands. One demand of 5: 5 * 20 ** (.0382 / 1.0382) = 5.58.
    typical = measure_typical(np.repeat([[10.0], [1000.0]], 3, axis=1)).at(-1)
    drawn = typical.draw(np.array([1, 0]), np.array([5.0, np.nan]))
    np.testing.assert_allclose(drawn, [5.58, 100], rtol=1e-3)
    np.testing.assert_allclose(typical.share(np.array([0, 1])), [1, 0.0368], rtol=1e-2)
