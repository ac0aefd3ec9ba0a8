"""A network that is told of the season later goes on as what it was."""

import numpy as np

from ml.forecasters.lstm_network import open_network


def test_what_a_network_is_told_for_the_first_time_changes_nothing_yet():
    rng = np.random.default_rng(0)
    seen, coming = (rng.normal(size=shape).astype(np.float32) for shape in ((6, 28, 5), (6, 9, 7)))
    network = open_network(8, 5, 7, 4)
    network.start(3, untold=2)
    before = np.asarray(network.predict(seen, coming))
    seen[..., :2], coming[..., :2] = 9.0, -9.0
    np.testing.assert_array_equal(before, network.predict(seen, coming))
    network.start(3)
    assert not np.array_equal(before, network.predict(seen, coming))
