"""What a user sees of a transfer."""

import io

from rich.console import Console

from pipelines.publish.progress_bars import console_progress


def test_without_a_terminal_each_quarter_of_a_stage_is_one_plain_line():
    out = io.StringIO()
    with console_progress(Console(file=out, width=20)) as lines:
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
    with console_progress(Console(file=out, force_terminal=True, width=120)) as bars:
        for stage in ("sending v1", "reading back v1"):
            bars.begin(stage, 4_000_000)
            bars.done(4_000_000)
    assert "sending v1" in out.getvalue()
    assert "reading back v1" in out.getvalue()
    assert "4.0/4.0 MB" in out.getvalue()
