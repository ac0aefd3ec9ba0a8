"""What a user sees of a transfer."""

import io

import pytest
from rich.console import Console

from pipelines.publish.progress_bars import Bars, Lines, bytes_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (50_400_000, "50.4 MB"),
        (999_960, "1000.0 kB"),
        (3_200_000_000_000_000, "3200.0 TB"),
    ],
)
def test_bytes_are_told_in_powers_of_ten(size, text):
    assert bytes_text(size) == text


def test_without_a_terminal_each_quarter_of_a_stage_is_one_plain_line():
    out = io.StringIO()
    lines = Lines(Console(file=out, width=20))
    lines.begin("sending v1", 4_000_000)
    for _ in range(8):
        lines.done(500_000)
    told = out.getvalue().splitlines()
    assert [line.partition(",")[0] for line in told] == [
        f"sending v1: {done}.0 MB of 4.0 MB" for done in (1, 2, 3, 4)
    ]
    assert all(line.endswith("/s") for line in told)


def test_a_terminal_gets_a_bar_for_each_stage_in_bytes():
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True, width=120)).shown() as bars:
        for stage in ("sending v1", "reading back v1"):
            bars.begin(stage, 4_000_000)
            bars.done(4_000_000)
    assert "sending v1" in out.getvalue()
    assert "reading back v1" in out.getvalue()
    assert "4.0/4.0 MB" in out.getvalue()
