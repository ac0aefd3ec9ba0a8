"""What the power-cut tests of durable writing let a process do; some of it is wrong on purpose."""

from pathlib import Path

from ml.durable import change_together, finish_change, read_sealed, write_file, write_sealed


def write_one_file(place):
    write_file(Path(place, "folder", "table.csv"), "new, and longer than before\n")


def write_without_flushing(place):
    beside = Path(place, ".table.csv")
    beside.write_text("new\n")
    beside.replace(Path(place, "table.csv"))
    Path(place, "done").touch()


def resume_unless_done(place):
    """Trusts a marker that was written after what it stands for."""
    if not Path(place, "done").exists():
        write_without_flushing(place)


def resume_unless_sealed(place):
    part, done = Path(place, "part.json"), Path(place, "done.json")
    if read_sealed(done) is None:
        write_sealed(part, {"values": [1, 2, 3]})
        write_sealed(done, {"part": part.name})


def change_three_files(place):
    """Two new contents and a removal, with what a reader sees before."""
    folder = Path(place)
    finish_change(folder)
    with change_together(folder) as changes:
        for name in ("demand.csv", "deep/items.csv"):
            changes.path(name).write_text(f"new {name}\n")
        changes.remove("stock.csv")
