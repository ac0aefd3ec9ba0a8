"""Small files as a user would bring them."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipelines.intake.request import ReadingRequest

TODAY = date(2024, 6, 30)


@pytest.fixture
def options():
    """Options of a run on 30 June 2024; keywords change them."""

    def make(**choices):
        return ReadingRequest(**{"today": TODAY, **choices})

    return make


@pytest.fixture
def file(tmp_path):
    """Write a file and return its path."""

    def write(content: str | bytes, name: str = "demand.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def csv(file):
    """Write rows below a header and return the path."""

    def write(*rows: str, header: str = "item_id,ds,y", name: str = "demand.csv") -> Path:
        return file("\n".join([header, *rows]) + "\n", name)

    return write


@pytest.fixture
def days():
    """Rows ``item,day,y`` of consecutive days, from y values; None leaves a day out."""

    def rows(item: str, *values: object, first: str = "2024-01-01", step: int = 1) -> list[str]:
        start = np.datetime64(first)
        return [
            f"{item},{start + i * step},{value}"
            for i, value in enumerate(values)
            if value is not None
        ]

    return rows
