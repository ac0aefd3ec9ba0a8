"""Nights of a small company: the same parts every day, with a day more to look back on."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ml.artifacts.version import read_manifest
from ml.frequency import Frequency
from ml.panel import Panel
from ml.run.inputs import RunInputs
from ml.run.plan import PanelPlan, make_plans
from ml.run.request import RunRequest
from ml.run.run import run_batch
from ml.run.run_output import RunOutput
from ml.settings import Settings

START = np.datetime64("2025-01-01")
TODAY = date(2025, 8, 1)  # whatever the clock says: what becomes known is dated by it
PARTS, DAYS, HORIZON = 12, 130, 7
DEMAND = np.random.default_rng(5).poisson(
    np.linspace(0.3, 4.0, PARTS)[:, None] * (1 + 0.5 * (np.arange(200) % 7 < 2)), (PARTS, 200)
).astype(float)  # fmt: skip
DEMAND[:, 0] = 1.0


def inputs_until(days: int, demand: np.ndarray = DEMAND) -> RunInputs:
    """What is known after so many days."""
    items = tuple(f"part-{number:02d}" for number in range(len(demand)))
    panel = Panel(
        "demand", Frequency.DAILY, items, START + np.arange(days), demand[:, :days].copy(),
        ("u",) * len(items),
    )  # fmt: skip
    return RunInputs(panels=(panel,), source={"demand": "test"}, drivers=True)


class Company:
    """Folders of a company, and its nights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def night(
        self, days: int, demand: np.ndarray = DEMAND, *, refit: bool = False, refit_days: float = 60
    ) -> RunOutput:
        """A run on so many days."""
        request = self.request(refit=refit, refit_days=refit_days)
        self.record, output = run_batch(inputs_until(days, demand), request)
        return output

    def plan(self, days: int, demand: np.ndarray = DEMAND, **asked: Any) -> PanelPlan:
        """What such a run would do."""
        (plan,) = make_plans(inputs_until(days, demand), self.request(**asked), study=False)
        return plan

    def request(
        self, *, refit: bool = False, refit_days: float = 60, refit_panels: tuple[str, ...] = ()
    ) -> RunRequest:
        """What the run of a night is asked for."""
        settings = Settings(
            models_dir=self.folder / "models", ml_results_path=self.folder / "results",
            refit_days=refit_days, lead_time_days=5.0, today=TODAY,
        )  # fmt: skip
        return RunRequest(command="night", horizon=HORIZON, jobs=1, refit=refit,
                          refit_panels=refit_panels, settings=settings)  # fmt: skip

    @property
    def run(self) -> dict:
        """What the newest version's manifest says of its run."""
        return read_manifest(self.folder / "results", self.record.version_id).run

    @property
    def hashes(self) -> dict[str, str]:
        """Of all that inputs and fitted models alone decide."""
        files = read_manifest(self.folder / "results", self.record.version_id).files
        own = {one.dataset: one.content_sha256 for one in files if one.content_sha256}
        return {name: digest for name, digest in own.items() if name != "changes"}
