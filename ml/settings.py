"""All settings of the project, read once from ``.env.ml`` and the environment (which wins)."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.errors import ConfigError

PROJECT = Path(__file__).resolve().parent.parent


def _below_project(path: object) -> object:
    return PROJECT / path if isinstance(path, str | Path) else path


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


STATES = (
    "ac", "al", "am", "ap", "ba", "ce", "df", "es", "go", "ma", "mg", "ms", "mt", "pa", "pb", "pe",
    "pi", "pr", "rj", "rn", "ro", "rr", "rs", "sc", "se", "sp", "to",
)  # fmt: skip
ProjectPath = Annotated[Path, BeforeValidator(_below_project)]
OptionalDay = Annotated[date | None, BeforeValidator(_empty_is_none)]


def _region(name: str) -> str:
    state = name[-2:].lower()
    if state not in STATES or name not in (name[:-3] + "_" + name[-2:], name[-2:]):
        raise ValueError("write a city as salvador_ba, with its state, or a state as BA")
    return name


Region = Annotated[str, AfterValidator(_region)]


def _or_minio(name: str) -> AliasChoices:
    """An S3 setting under its name, or under the one that MinIO's users know."""
    return AliasChoices(f"s3_{name}", f"minio_{name}")


class Settings(BaseSettings):
    """Everything stable; what changes between runs is an option of the command."""

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env.ml", env_ignore_empty=True, extra="ignore", frozen=True
    )

    enable_external_apis: bool = Field(default=False, description="true lets the ETL open sockets")
    enable_ml_processing: bool = Field(
        default=True, description="false: training and forecasting commands stop with exit code 2"
    )
    data_dir: ProjectPath = Field(default=PROJECT / "data", description="inputs, raw and processed")
    models_dir: ProjectPath = Field(default=PROJECT / "models", description="trained models")
    reports_dir: ProjectPath = Field(default=PROJECT / "reports", description="reports for people")
    log_dir: ProjectPath = Field(default=PROJECT / "logs", description="JSON logs")
    ml_results_path: ProjectPath = Field(
        default=PROJECT / "data" / "ml_results", description="versions and flat view of the results"
    )
    today: OptionalDay = Field(
        default=None,
        description="the day on which every command believes to run; empty = the clock",
    )
    history_start: date = Field(
        default=date(2015, 1, 1), description="first day that the ETL asks for"
    )
    http_time_limit: float = Field(
        default=210.0,
        gt=0,
        description="longest that one ETL command waits for outside sources [s]; a ZIP that moves "
        "does not count, for at most 30 minutes",
    )
    sites: str = Field(
        default="salvador_ba:-12.97:-38.51:A401+A456,recife_pe:-8.05:-34.88:A301,"
        "fortaleza_ce:-3.73:-38.52:A305+A315,rio_de_janeiro_rj:-22.91:-43.20:A652+A621,"
        "sao_paulo_sp:-23.55:-46.63:A701+A771",
        description="cities of the climate ETL: name:latitude:longitude:INMET station+spare, ...",
    )
    states: str = Field(
        default="BA,PE,CE,RJ,SP", description="states of the 5G ETL, two letters each"
    )
    symbols: str = Field(
        default="PETR4=PETR4.SA", description="quoted prices: series=symbol of Yahoo, ..."
    )
    home_region: Region = Field(
        default="salvador_ba",
        description="city whose weather, and state whose 5G, move demand; its last two letters "
        "are the state",
    )
    ipeadata_base_url: str = Field(
        default="http://www.ipeadata.gov.br",
        description="IPEADATA; each *_BASE_URL replaces scheme and host only",
    )
    bcb_sgs_base_url: str = Field(
        default="https://api.bcb.gov.br", description="time series of the Banco Central"
    )
    bcb_ptax_base_url: str = Field(
        default="https://olinda.bcb.gov.br", description="exchange rates of the Banco Central"
    )
    ibge_sidra_base_url: str = Field(
        default="https://apisidra.ibge.gov.br", description="tables of IBGE"
    )
    open_meteo_base_url: str = Field(
        default="https://archive-api.open-meteo.com", description="reanalysis of the weather"
    )
    inmet_base_url: str = Field(
        default="https://portal.inmet.gov.br", description="yearly files of weather stations"
    )
    nasa_power_base_url: str = Field(
        default="https://power.larc.nasa.gov", description="weather from satellites"
    )
    anatel_base_url: str = Field(
        default="https://www.anatel.gov.br", description="open data of the telecom regulator"
    )
    anatel_stations_base_url: str = Field(
        default="https://sistemas.anatel.gov.br", description="its licensed stations"
    )
    yahoo_base_url: str = Field(
        default="https://query1.finance.yahoo.com", description="quotes of exchanges"
    )
    alphavantage_base_url: str = Field(
        default="https://www.alphavantage.co", description="quotes, to top up and cross-check"
    )
    alphavantage_api_key: SecretStr = Field(
        default=SecretStr(""), description="key of Alpha Vantage; empty = it is not asked"
    )
    seed: int = Field(default=0, ge=0, description="seed of every random draw, with the item's id")
    service_level: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="cycle service level where an item has no target of its own",
    )
    lead_time_days: float = Field(
        default=30.0, gt=0, description="lead time where an item has none of its own [days]"
    )
    lead_time_cv: float = Field(
        default=0.3,
        ge=0,
        description="lead time's standard deviation over its mean, where not given",
    )
    backtest_items: int = Field(
        default=500,
        ge=1,
        description="items that the backtest runs on; more are sampled by their ids",
    )
    max_protection_days: float = Field(
        default=180.0,
        gt=0,
        description="longest protection interval that forecasts are made for [days]",
    )
    s3_endpoint: str = Field(
        default="",
        validation_alias=_or_minio("endpoint"),
        description="host:port of the object store; MINIO_* is understood for every S3_* name",
    )
    s3_region: str = Field(
        default="us-east-1", validation_alias=_or_minio("region"), description="its region"
    )
    s3_bucket: str = Field(
        default="", validation_alias=_or_minio("bucket"), description="bucket, which must exist"
    )
    s3_prefix: str = Field(
        default="",
        validation_alias=_or_minio("prefix"),
        description="path in the bucket below which everything lies; empty = the whole bucket",
    )
    s3_access_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=_or_minio("access_key"),
        description="id of the key to publish with (a secret as well)",
    )
    s3_access_key_file: ProjectPath | None = Field(
        default=None,
        validation_alias=_or_minio("access_key_file"),
        description="file that holds the id instead",
    )
    s3_secret_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=_or_minio("secret_key"),
        description="the key itself",
    )
    s3_secret_key_file: ProjectPath | None = Field(
        default=None,
        validation_alias=_or_minio("secret_key_file"),
        description="file that holds the key instead",
    )
    s3_secure: bool = Field(
        default=True,
        validation_alias=_or_minio("secure"),
        description="https; false is for this machine alone, see the next but one",
    )
    s3_ca_file: ProjectPath | None = Field(
        default=None,
        validation_alias=_or_minio("ca_file"),
        description="certificates to trust instead of the usual ones",
    )
    s3_allow_insecure: bool = Field(
        default=False,
        validation_alias=_or_minio("allow_insecure"),
        description="true allows http to another machine: results travel in the clear",
    )


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: A setting has a value it cannot have; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise ConfigError(
            f"settings: {name}={first['input']!r}: {first['msg']} "
            f"({error.error_count()} wrong in all). Correct it in .env.ml or the environment."
        ) from None
