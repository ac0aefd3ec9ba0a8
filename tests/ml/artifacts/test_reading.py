import pytest

from ml.artifacts.reading import read_dataset
from ml.errors import DataError, PublishError

A, B = "20261120T021503Z-1a2b3c4d", "20261121T021503Z-1a2b3c4d"


def level(results, *which):
    return read_dataset(results, "forecasts", *which)["forecast"][0].as_py()


def test_the_newest_version_is_read_unless_another_is_named(tmp_path, kit):
    kit.commit(tmp_path, A, level=1.0)
    kit.commit(tmp_path, B, level=2.0)
    assert (level(tmp_path), level(tmp_path, A), level(tmp_path, B)) == (2.0, 1.0, 2.0)


def test_a_table_comes_back_with_its_contract(tmp_path, kit):
    kit.commit(tmp_path, A)
    contract = kit.contracts["forecasts"]
    table = read_dataset(tmp_path, "forecasts")
    assert table.schema.equals(contract.schema, check_metadata=False)
    assert table.equals(kit.forecasts())


def test_a_dataset_that_a_partial_version_lacks_comes_from_the_version_before(tmp_path, kit):
    kit.commit(tmp_path, A, level=1.0)
    kit.commit(tmp_path, B, level=2.0, partial=True, only=["forecasts"])
    assert level(tmp_path) == 2.0
    assert read_dataset(tmp_path, "metrics")["value"][0].as_py() == 1.0
    with pytest.raises(DataError, match=f"version {B} .* holds no 'metrics'"):
        read_dataset(tmp_path, "metrics", B)


def test_a_version_that_is_not_committed_is_not_read(tmp_path, kit):
    with pytest.raises(DataError, match=r"no committed version with 'forecasts'. Run generate"):
        read_dataset(tmp_path, "forecasts")
    kit.version(tmp_path, A)
    with pytest.raises(DataError, match=f"no committed version {A}"):
        read_dataset(tmp_path, "forecasts", A)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(b"", "is not what was published"), (None, "is missing")],
    ids=["changed", "missing"],
)
def test_a_damaged_file_is_not_read(tmp_path, kit, damage, message):
    kit.commit(tmp_path, A)
    path = tmp_path / "versions" / A / "forecasts/forecasts_2026-11-20.parquet"
    data = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(PublishError, match=f"forecasts_2026-11-20.parquet:? {message}"):
        read_dataset(tmp_path, "forecasts")
