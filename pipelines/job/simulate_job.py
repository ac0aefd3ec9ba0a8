"""The command that simulates stock: find the data, simulate what is trained on it, tell people."""

from ml.logs import logging_to
from ml.processed import SYNTHETIC
from ml.reporting.run_report import show_inputs
from ml.reporting.simulation_report import show_simulation, write_simulation
from ml.run.request import RunRequest
from ml.run.simulate import SupplyWish, simulate_trained
from pipelines.intake.request import ReadingRequest
from pipelines.job.main_job import find_inputs


def simulate(
    files: ReadingRequest, request: RunRequest, wish: SupplyWish, *, sample: bool = False
) -> None:
    """Simulate, write tables and a picture below the reports folder, and print what they say.

    Raises:
        ConfigError: Options that exclude each other.
        DataError: Nothing usable among the inputs, or too little of it.
        ModelError: Models are missing.
    """
    config = request.settings
    with logging_to(config.log_dir, request.command, request.run_id):
        inputs = find_inputs(files, request, sample=sample)
        synthetic = inputs.source.get("demand") == SYNTHETIC
        show_inputs(inputs.statements, synthetic=synthetic,
                    user_folder=config.data_dir / "raw" / "user")  # fmt: skip
        plan, tables = simulate_trained(inputs, request, wish)
        title = f"SYNTHETIC SAMPLE, {plan.name}" if synthetic else plan.name
        folder = config.reports_dir / "simulation"
        write_simulation(*tables, title, folder)
    show_simulation(*tables, title, folder)
