"""What the power-cut tests let a process do: run an ETL at the addresses of the environment."""

from pathlib import Path

from ml.settings import settings
from pipelines.outside.domain_sources import adapters
from pipelines.outside.etl import run_etl
from pipelines.outside.import_files import run_import


def collect(_place, domain):
    for adapter in adapters(settings()).values():
        type(adapter).pause = 0.0
    assert run_etl(domain).error is None


def build_again(_place, domain):
    assert run_etl(domain, reparse=True).error is None


def import_file(_place, path):
    assert run_import([Path(path)], [], None, None).error is None
