import numpy as np
import pytest

from pipelines.sample_data.files import ensure_sample
from pipelines.sample_data.sample import generate
from pipelines.sample_data.truth import draw_truth
from pipelines.sample_data.world import draw_world

FIRST, DAYS = np.datetime64("2023-11-01"), 1096


@pytest.fixture(scope="session")
def truths():
    """Five draws of 600 items over three years."""
    return [draw_truth(draw_world(FIRST, DAYS, seed), 600) for seed in range(5)]


@pytest.fixture(scope="session")
def truth(truths):
    return truths[0]


@pytest.fixture(scope="session")
def sample():
    return generate(72, FIRST, DAYS, 0)


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory):
    return ensure_sample(tmp_path_factory.mktemp("sample") / "synthetic")
