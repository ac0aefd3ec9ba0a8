"""Small text files that people read while the next run may be writing them."""

from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Write a file beside its place and rename it there, so that no reader sees half of it."""
    staged = path.with_name(f".{path.name}")
    staged.write_text(text, encoding="utf-8")
    staged.replace(path)
    return path
