"""ANATEL's mobile accesses by state, month and generation, out of one ZIP of half-years.

There is no ready-made series of the 5G roll-out: it is the sum over all rows of a state and month
whose generation is 5G. Months appear 45 to 60 days late and are restated.

A half-year is hundreds of megabytes of CSV, summed while they stream by. Memory does not grow with
the file but with the rows of the states asked for, at 20 bytes a row: a 64-bit hash of the whole
row, by which exact repeats are told, and its state, month and count.
"""

import csv
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipelines.sources.answers import lines_of, open_zip, plain_name, positions_of, refusal
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import Row, screen

if TYPE_CHECKING:
    import pandas as pd

SERIES = ("fiveg_accesses", "mobile_accesses")
TARGET = "/dadosabertos/paineis_de_dados/acessos/acessos_telefonia_movel.zip"
KEYS = ("ANO", "MES", "UF", "TECNOLOGIA GERACAO")
COUNT = "ACESSOS"
COLUMNS = (*KEYS, COUNT)
NOTHING = ("N/I", "N/A", "-", "")
BLOCK = 1 << 20  # bytes of CSV parsed at once; 8 MiB took 250 MB more and no less time
_ODD = np.uint64(0x9E3779B97F4A7C15)  # spreads the columns' hashes; odd, so that no bit is lost
_MEMBER = re.compile(
    r"(?:^|/)Acessos_Telefonia_Movel_(?:(\d{4})_([12])S|(\d{4})(\d\d)-(\d{4})(\d\d))\.csv$",
    re.IGNORECASE,
)

Group = tuple[str, str, str, str]
"""Year, month, state and generation as the file writes them."""
Sums = dict[tuple[str, date], Counter[str]]
"""Accesses by generation of each state and month."""


class AnatelAccesses(Adapter):
    """The open data at ``base``; half a year is read again, since months are restated."""

    name = "anatel_accesses"
    overlap = 190
    pause = 1.0

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One call for everything; its answer is read from the first half-year wanted on."""
        asked = [one for one in wanted if one.first <= one.last]
        self.expect_served(asked, SERIES, "a state")
        if not asked:
            return ()
        first = min(one.first for one in asked)
        # whole half-years, so that the context stays the same from one night to the next
        half = date(first.year, 1 if first.month <= 6 else 7, 1)
        series = [name for name in SERIES if name in {one.series for one in asked}]
        states = sorted({one.region for one in asked if one.region})
        context = {"first": half.isoformat(), "states": states, "series": series}
        return (self.ask(TARGET, series, context, media="zip", conditional=True),)

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Sum the half-years asked for; the newest month is preliminary.

        5G that vanishes from one month to the next is refused: it goes by another name then.
        """
        faults: Counter[str] = Counter()
        sums: Sums = {}
        with open_zip(call, answer) as archive:
            for member, months in _members(call, archive):
                try:
                    groups = sum_accesses(archive, member, call.context["states"], faults)
                except ValueError as error:  # of Arrow as well
                    raise refusal(call, f"{member}: {error}") from None
                _add(sums, groups, months, faults)
        rows = list(_rows(call, sums))
        if not rows:
            raise refusal(call, f"no rows of {', '.join(call.context['states'])}")
        notes = [f"{count} {what}" for what, count in faults.items() if count]
        seen = {month for _, month in sums}
        notes += [
            f"{state}: no rows in {lacking} of {len(seen)} months"
            for state in call.context["states"]
            if (lacking := len(seen - {month for of, month in sums if of == state}))
        ]
        return screen(call, answer, rows, notes)


def _members(call: Call, archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[date, date]]]:
    """Files that reach the first month wanted, and their first and last months, in order."""
    first = date.fromisoformat(call.context["first"])
    names = archive.namelist()
    found = sorted((months, name) for name in names if (months := _months(name)))
    reaching = [(name, months) for months, name in found if months[1] >= first]
    if not reaching:
        held = ", ".join(name for _, name in found[-2:]) or ", ".join(names[:2]) or "nothing"
        raise refusal(call, f"no file of half-years from {first} on among {len(names)}: {held}")
    yield from reaching


def _months(name: str) -> tuple[date, date] | None:
    found = _MEMBER.search(name)
    if not found:
        return None
    year, half, *span = found.groups()
    if half:
        start = 1 if half == "1" else 7
        return date(int(year), start, 1), date(int(year), start + 5, 1)
    try:
        return date(int(span[0]), int(span[1]), 1), date(int(span[2]), int(span[3]), 1)
    except ValueError:
        return None


def _add(
    sums: Sums, groups: Mapping[Group, int], months: tuple[date, date], faults: Counter[str]
) -> None:
    """Add a file's groups; a month that is not the file's would be counted twice."""
    for (year, month, state, generation), count in groups.items():
        try:
            of = date(int(year), int(month), 1)
        except ValueError:
            faults["groups have no readable month"] += 1
            continue
        if not months[0] <= of <= months[1]:
            faults["groups are of months of another file"] += 1
            continue
        sums.setdefault((state, of), Counter())[generation] += count


def _rows(call: Call, sums: Sums) -> Iterator[Row]:
    newest = max((month for _, month in sums), default=None)
    before: dict[str, date] = {}
    for (state, month), generations in sorted(sums.items()):
        fiveg = generations["5G"]
        if state in before and not fiveg:
            cause = f"{state} has 5G accesses in {before[state]:%Y-%m} and none in {month:%Y-%m}"
            raise refusal(call, f"{cause}; generations there: {', '.join(sorted(generations))}")
        if fiveg:
            before[state] = month
        values = {"fiveg_accesses": fiveg, "mobile_accesses": sum(generations.values())}
        for series in call.context["series"]:
            yield series, state, month, float(values[series]), month == newest


def sum_accesses(
    archive: zipfile.ZipFile, member: str, states: Sequence[str], faults: Counter[str]
) -> dict[Group, int]:
    """Sum the accesses of a file by year, month, state and generation, exact repeats once.

    Rows of other states are passed over; ``faults`` counts what is left out, by reason.

    Raises:
        ValueError: A column is missing, it is no UTF-8 CSV, or most rows cannot be read.
    """
    import pandas as pd

    with archive.open(member) as raw, TextIOWrapper(raw, "utf-8-sig", "replace") as lines:
        header = next(csv.reader([next(lines_of(lines), "")], delimiter=";"), [])
    names = [plain_name(name) for name in header]
    positions = dict(zip(COLUMNS, positions_of(COLUMNS, names), strict=True))
    codes: dict[Group, int] = {}
    own = Counter[str]()
    batches = _batches(archive, member, len(names), own)
    parts = [_read_batch(batch, positions, states, codes, own) for batch in batches]
    rows = pd.concat(parts) if parts else pd.DataFrame({"code": [], "count": [], "hash": []})
    if own["rows have another number of columns"] + own["rows have no readable count"] > len(rows):
        raise ValueError(", ".join(f"{count} {what}" for what, count in own.items() if count))
    once = rows.drop_duplicates("hash")
    own["rows are exact repeats"] += len(rows) - len(once)
    faults.update(own)
    sums = once.groupby("code")["count"].sum()
    return {group: int(sums[code]) for group, code in codes.items()}


def _batches(
    archive: zipfile.ZipFile, member: str, width: int, faults: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """Rows as text, in blocks; those with more or fewer columns are counted."""

    def skipped(row: Any) -> str:
        del row
        faults["rows have another number of columns"] += 1
        return "skip"

    columns = [str(at) for at in range(width)]  # names may repeat, positions do not
    with archive.open(member) as raw:
        yield from arrow_csv.open_csv(
            raw,
            read_options=arrow_csv.ReadOptions(
                column_names=columns, skip_rows=1, block_size=BLOCK, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=";", invalid_row_handler=skipped),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )


def _read_batch(
    batch: pa.RecordBatch,
    positions: Mapping[str, int],
    states: Sequence[str],
    codes: dict[Group, int],
    faults: Counter[str],
) -> "pd.DataFrame":
    """Code of the group, accesses and hash of each row of the states asked for."""
    import pandas as pd

    state = pc.utf8_trim_whitespace(batch[positions["UF"]])
    faults["rows have no state"] += pc.is_in(state, pa.array(NOTHING)).true_count
    batch = batch.filter(pc.is_in(state, pa.array(states, pa.string())))
    counts = pc.utf8_trim_whitespace(batch[positions[COUNT]])
    readable = pc.match_substring_regex(counts, r"^\d{1,12}$")
    faults["rows have no readable count"] += batch.num_rows - readable.true_count
    batch = batch.filter(readable)
    keys = (pc.utf8_trim_whitespace(batch[positions[name]]) for name in KEYS)
    group = pc.binary_join_element_wise(*keys, "|").dictionary_encode()
    own_codes = []
    for text in group.dictionary.to_pylist():
        year, month, of, generation = text.split("|", 3)
        key = (year, month, of, plain_name(generation))
        own_codes.append(codes.setdefault(key, len(codes)))
    return pd.DataFrame(
        {
            "code": np.array(own_codes, np.int32)[group.indices.to_numpy(zero_copy_only=False)],
            "count": counts.filter(readable).cast(pa.int64()).to_numpy(),
            "hash": _hash_rows(batch),
        }
    )


def _hash_rows(batch: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """A hash of each row over all its columns; equal rows have equal ones in every block."""
    import pandas as pd

    total = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        coded = column.dictionary_encode()
        words = coded.dictionary.to_numpy(zero_copy_only=False).astype(object)
        hashed = pd.util.hash_array(words, categorize=False)
        total = total * _ODD + hashed[coded.indices.to_numpy(zero_copy_only=False)]
    return total
