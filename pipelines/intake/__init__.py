"""The user's own files: read, checked, put in their contracts, with a quarantine for bad rows."""

from pipelines.intake.demand import read_demand
from pipelines.intake.files import UserFiles, collect_user_files
from pipelines.intake.interface import Intake, IntakeError, IntakeOptions
from pipelines.intake.inventory import read_inventory
from pipelines.intake.items import read_items
from pipelines.intake.prices import read_prices
from pipelines.intake.quarantine import write_quarantine

__all__ = [
    "Intake",
    "IntakeError",
    "IntakeOptions",
    "UserFiles",
    "collect_user_files",
    "read_demand",
    "read_inventory",
    "read_items",
    "read_prices",
    "write_quarantine",
]
