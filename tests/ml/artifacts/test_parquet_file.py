import errno
import gc
import hashlib
from datetime import datetime, timedelta
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.artifacts.content import ContentHash
from ml.artifacts.parquet_file import ROW_GROUP_ROWS, DatasetWriter, footer
from ml.contracts.base import Column, Contract
from ml.errors import ContractError, PublishError

DAILY = Contract(
    "daily",
    key=("item_id", "ds"),
    columns=(
        Column("item_id", pa.string()),
        Column("ds", pa.timestamp("us")),
        Column("y", pa.float64(), "units", "how many", nullable=True),
    ),
)
ABOUT = footer(DAILY, version_id="v", as_of="2026-11-19", generator="test 1")


def days(item, start, count):
    first = datetime(2026, 1, 1) + timedelta(days=start)
    return pa.table(
        {
            "item_id": [item] * count,
            "ds": pa.array([first + timedelta(days=i) for i in range(count)], pa.timestamp("us")),
            "y": [float(i) for i in range(count)],
        }
    )


def write(path, *chunks, rest=(), contract=DAILY):
    with DatasetWriter(path, contract, ABOUT) as writer:
        for chunk in chain(chunks, rest):
            writer.append(chunk)
        return writer.close()


def test_rows_come_back_as_they_went_in_with_the_contracts_schema(tmp_path):
    file = write(tmp_path / "a.parquet", days("a", 0, 2), days("b", 0, 1))
    back = pq.read_table(file.path)
    assert back.to_pylist() == pa.concat_tables([days("a", 0, 2), days("b", 0, 1)]).to_pylist()
    assert back.schema.equals(DAILY.schema)
    assert back.schema.field("y").metadata == {b"unit": b"units", b"description": b"how many"}
    assert not back.schema.field("ds").nullable


def test_the_result_describes_the_file(tmp_path):
    path = tmp_path / "deep" / "a.parquet"
    file = write(path, days("a", 0, 2), days("a", 2, 2), days("b", 9, 3))
    data = path.read_bytes()
    assert (file.rows, file.items, file.bytes) == (7, 2, len(data))
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert (file.min_ds, file.max_ds) == ("2026-01-01", "2026-01-12")
    content = ContentHash(DAILY)
    content.update(pq.read_table(path))
    assert file.content_sha256 == content.hexdigest()


def test_the_layout_is_the_documented_one(tmp_path):
    file = write(tmp_path / "a.parquet", days("a", 0, 3))
    about = pq.ParquetFile(file.path).metadata
    column = about.row_group(0).column(1)
    assert (about.format_version, column.compression) == ("2.6", "ZSTD")
    assert column.has_offset_index
    assert column.has_column_index
    order = [(s.column_index, s.descending) for s in about.row_group(0).sorting_columns]
    assert order == [(0, False), (1, False)]
    assert pq.ParquetFile(file.path, page_checksum_verification=True).read().num_rows == 3


def test_a_flipped_bit_in_a_page_is_noticed_by_the_page_checksum(tmp_path):
    file = write(tmp_path / "a.parquet", days("a", 0, 500))
    column = pq.ParquetFile(file.path).metadata.row_group(0).column(2)
    data = bytearray(file.path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    file.path.write_bytes(data)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.ParquetFile(file.path, page_checksum_verification=True).read()


def test_row_groups_and_bytes_do_not_depend_on_the_chunks(tmp_path):
    count = ROW_GROUP_ROWS * 2 + 10
    whole = days("a", 0, count)
    uneven = [whole.slice(a, b - a) for a, b in ((0, 7), (7, 200_000), (200_000, count))]
    one, many = write(tmp_path / "1.parquet", whole), write(tmp_path / "2.parquet", *uneven)
    about = pq.ParquetFile(many.path).metadata
    rows = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    assert rows == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 10]
    assert one.sha256 == many.sha256
    assert one.content_sha256 == many.content_sha256


def test_rows_of_a_chunk_may_come_in_any_order(tmp_path):
    chunk = days("a", 0, 5)
    file = write(tmp_path / "1.parquet", chunk.take([3, 0, 4, 2, 1]))
    assert file.content_sha256 == write(tmp_path / "2.parquet", chunk).content_sha256


@pytest.mark.parametrize(
    "second",
    [days("a", 2, 3), days("a", 1, 1), days("A", 9, 1)],
    ids=["overlap", "repeat", "item before"],
)
def test_chunks_that_do_not_ascend_are_refused(tmp_path, second):
    with pytest.raises(ContractError, match=r"one starts with .* after .'a', '2026-01-03"):
        write(tmp_path / "a.parquet", days("a", 0, 3), second)
    assert not (tmp_path / "a.parquet").exists()


def test_null_in_a_key_comes_after_every_value(tmp_path, kit):
    contract = kit.contracts["metrics"]
    named, overall = kit.metrics().slice(0, 1), kit.metrics().slice(1)
    later = overall.set_column(6, "metric", pa.array(["rmse"]))
    file = write(tmp_path / "m.parquet", named, overall, later, contract=contract)
    assert pq.read_table(file.path)["item_id"].to_pylist() == ["A-1", None, None]
    assert (file.rows, file.items, file.min_ds) == (3, 1, None)
    with pytest.raises(ContractError, match="must ascend"):
        write(tmp_path / "n.parquet", overall, named, contract=contract)


def test_a_chunk_that_breaks_the_contract_is_refused(tmp_path):
    bad = days("a", 0, 2).set_column(2, "y", pa.array([1.0, float("nan")]))
    with pytest.raises(ContractError, match=r"a.parquet: .*1 of 2 values of 'y' is not finite"):
        write(tmp_path / "a.parquet", days("A", 0, 1), bad)
    assert not (tmp_path / "a.parquet").exists()


def test_an_empty_table_is_a_file_with_a_schema(tmp_path):
    for name, chunks in (("no chunk", []), ("empty chunk", [DAILY.schema.empty_table()])):
        file = write(tmp_path / name, *chunks)
        assert pq.read_table(file.path).schema.equals(DAILY.schema)
        assert (file.rows, file.items, file.min_ds, file.max_ds) == (0, 0, None, None)


def test_text_that_comes_dictionary_encoded_is_written_plain(tmp_path):
    chunk = days("a", 0, 2)
    encoded = chunk.set_column(0, "item_id", chunk["item_id"].dictionary_encode())
    file = write(tmp_path / "a.parquet", encoded)
    assert pq.read_schema(file.path).field("item_id").type == pa.string()


def test_an_existing_file_is_never_written_over(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"mine")
    with pytest.raises(PublishError, match=r"writing a.parquet: File exists"):
        write(tmp_path / "a.parquet", days("a", 0, 1))
    assert (tmp_path / "a.parquet").read_bytes() == b"mine"


def test_an_error_of_the_caller_leaves_no_file(tmp_path):
    def failing():
        yield days("a", 0, 3)
        raise RuntimeError("model")

    with pytest.raises(RuntimeError, match="model"):
        write(tmp_path / "a.parquet", rest=failing())
    assert list(tmp_path.iterdir()) == []


def test_a_closed_file_takes_no_more_rows(tmp_path):
    writer = DatasetWriter(tmp_path / "a.parquet", DAILY, ABOUT)
    assert writer.close() is writer.close()
    with pytest.raises(ValueError, match="is closed"):
        writer.append(days("a", 0, 1))


@pytest.mark.parametrize("step", [1, 2])
def test_a_full_disk_is_one_line_and_leaves_no_file(tmp_path, rig, step):
    rig(step, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(PublishError, match=r"writing a.parquet: No space left .* run again\.$"):
        write(tmp_path / "a.parquet", days("a", 0, ROW_GROUP_ROWS), days("b", 0, ROW_GROUP_ROWS))
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path):
    rows = ROW_GROUP_ROWS // 8
    one = days("a", 0, rows)

    def peak(chunks):
        gc.collect()  # tables of earlier tests that went meanwhile would make up for ours
        before, held = pa.total_allocated_bytes(), 0
        with DatasetWriter(tmp_path / f"{chunks}.parquet", DAILY, ABOUT) as writer:
            for i in range(chunks):
                writer.append(one.set_column(0, "item_id", pa.array([f"i{i:04d}"] * rows)))
                held = max(held, pa.total_allocated_bytes() - before)
        return held

    assert peak(96) < 1.1 * peak(16)  # 16 chunks are two row groups
