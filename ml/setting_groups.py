"""The settings in groups: names, defaults, and what each value may be.

Each class is one group; the docstring under a setting is its description in the documentation and
in ``.env.ml.example``.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)

PROJECT = Path(__file__).resolve().parent.parent
STATES = (
    "ac", "al", "am", "ap", "ba", "ce", "df", "es", "go", "ma", "mg", "ms", "mt", "pa", "pb", "pe",
    "pi", "pr", "rj", "rn", "ro", "rr", "rs", "sc", "se", "sp", "to",
)  # fmt: skip


def _below_project(path: object) -> object:
    return PROJECT / path if isinstance(path, str | Path) else path


def read_region(name: str) -> str:
    """A state, or a city in the small letters of the outside tables.

    Raises:
        ValueError: It names neither.
    """
    state = name[-2:].lower()
    if state not in STATES or name not in (name[:-3] + "_" + name[-2:], name[-2:]):
        raise ValueError("write a city as salvador_ba, with its state, or a state as BA")
    return name if len(name) == len(state) else name.lower()


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not known; no name; a folder of names
        raise ValueError("no time zone is called so; write one as America/Bahia") from None
    return name


def read_head(address: str) -> str:
    """The head of a Ray cluster, as it was written; empty = none.

    Raises:
        ValueError: It is no host and port.
    """
    host, _, port = address.rpartition(":")
    if address and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise ValueError("write the head of the Ray cluster as HOST:PORT, its port usually 6379")
    return address


ProjectPath = Annotated[Path, BeforeValidator(_below_project)]
Region = Annotated[str, AfterValidator(read_region)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


def _or_minio(name: str) -> str | AliasChoices:
    """An S3 setting under its name, or under the one that MinIO's users know."""
    return AliasChoices(name, f"minio{name[2:]}") if name.startswith("s3_") else name


class SettingsGroup(BaseModel):
    """What the groups have in common."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class GeneralSettings(SettingsGroup):
    """What the commands may do at all, and on which day."""

    enable_external_apis: bool = False
    """true lets the ETL open sockets"""
    enable_ml_processing: bool = True
    """false: training and forecasting commands stop with exit code 2"""
    allow_synthetic: bool = False
    """true lets results of the made-up sample be published, for rehearsals"""
    today: date | None = None
    """the day on which every command believes to run; empty = the clock in TIMEZONE"""
    timezone: TimeZone = "America/Bahia"
    """time zone whose day "today" is; instants stay UTC"""
    report_lang: Literal["pt", "en"] = "pt"
    """language that the report opens in; it shows both"""


class FolderSettings(SettingsGroup):
    """Where things are."""

    data_dir: ProjectPath = PROJECT / "data"
    """inputs, raw and processed"""
    models_dir: ProjectPath = PROJECT / "models"
    """trained models"""
    reports_dir: ProjectPath = PROJECT / "reports"
    """reports for people"""
    log_dir: ProjectPath = PROJECT / "logs"
    """JSON logs"""
    ml_results_path: ProjectPath = PROJECT / "data" / "ml_results"
    """versions and flat view of the results"""


class OutsideSettings(SettingsGroup):
    """Which days, places and series the outside data is about."""

    history_start: date = date(2015, 1, 1)
    """first day that the ETL asks for"""
    http_time_limit: PositiveFloat = Field(
        default=210.0,
        description="longest that one ETL command waits for outside sources [s]; a ZIP that moves "
        "does not count, for at most 30 minutes",
    )
    sites: str = (
        "salvador_ba:-12.97:-38.51:A401+A456,recife_pe:-8.05:-34.88:A301,"
        "fortaleza_ce:-3.73:-38.52:A305+A315,rio_de_janeiro_rj:-22.91:-43.20:A652+A621,"
        "sao_paulo_sp:-23.55:-46.63:A701+A771"
    )
    """cities of the climate ETL: name:latitude:longitude:INMET station+spare, ..."""
    states: str = "BA,PE,CE,RJ,SP"
    """states of the 5G ETL, two letters each"""
    symbols: str = "PETR4=PETR4.SA"
    """quoted prices: series=symbol of Yahoo, ..."""
    home_region: Region = "salvador_ba"
    """city whose weather, and state whose 5G, move demand; its last two letters are the state"""


class IntakeSettings(SettingsGroup):
    """How the user's files are read where a command's options do not say it."""

    intake_columns: str = ""
    """columns under names of their own: item_id=Código;y=Qtd, as --column says one of them"""
    intake_gaps: Literal["auto", "missing", "zero"] = "auto"
    """a period without a row: missing, zero or auto, as --gaps"""
    intake_duplicates: Literal["sum", "error"] = "sum"
    """rows of one item, site and day: sum or error, as --duplicates"""
    intake_frequency: Literal["", "D", "B", "W", "MS"] = ""
    """sum demand to it, as --frequency; empty = inferred"""


class AddressSettings(SettingsGroup):
    """Where the outside sources are asked."""

    ipeadata_base_url: str = "http://www.ipeadata.gov.br"
    """IPEADATA; each *_BASE_URL replaces scheme and host only"""
    bcb_sgs_base_url: str = "https://api.bcb.gov.br"
    """time series of the Banco Central"""
    bcb_ptax_base_url: str = "https://olinda.bcb.gov.br"
    """exchange rates of the Banco Central"""
    ibge_sidra_base_url: str = "https://apisidra.ibge.gov.br"
    """tables of IBGE"""
    open_meteo_base_url: str = "https://archive-api.open-meteo.com"
    """reanalysis of the weather"""
    inmet_base_url: str = "https://portal.inmet.gov.br"
    """yearly files of weather stations"""
    nasa_power_base_url: str = "https://power.larc.nasa.gov"
    """weather from satellites"""
    anatel_base_url: str = "https://www.anatel.gov.br"
    """open data of the telecom regulator"""
    anatel_stations_base_url: str = "https://sistemas.anatel.gov.br"
    """its licensed stations"""
    yahoo_base_url: str = "https://query1.finance.yahoo.com"
    """quotes of exchanges"""
    alphavantage_base_url: str = "https://www.alphavantage.co"
    """quotes, to top up and cross-check"""
    alphavantage_api_key: SecretStr = SecretStr("")
    """key of Alpha Vantage; empty = it is not asked"""


class PolicySettings(SettingsGroup):
    """What holds for an item that says nothing else, and the seed of all draws."""

    seed: NonNegativeInt = 0
    """seed of every random draw, with the item's id"""
    service_level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """service level where an item has no target of its own"""
    service_metric: Literal["csl", "csl_pos", "fill_rate", "cost"] = "csl"
    """what service levels are a share of, where an item does not say: see service_metric"""
    portfolio_fill: str = ""
    """share of units that all items serve together, .95 or A=.98,B=.95,.90; empty = own targets"""
    budget: str = ""
    """most that all orders of a run cost together, 50000 or 50000BRL; empty = no limit"""
    risk_aversion: Annotated[float, Field(ge=0, le=1)] = 0.5
    """how much of the worst cases of a price a fixed one may cost, see price_outlook"""
    transfer_cost: NonNegativeFloat = 0.0
    """cost of moving an item between locations once [its currency]; less is not worth a transfer"""
    holding_rate: PositiveFloat = 0.2
    """cost of holding a unit for a year, as a share of its unit cost"""
    lead_time_days: PositiveFloat = 30.0
    """lead time where an item has none of its own [days]"""
    lead_time_cv: NonNegativeFloat = 0.3
    """lead time's standard deviation over its mean, where not given"""
    max_protection_days: PositiveFloat = 180.0
    """longest protection interval that forecasts are made for; longer ones are continued [days]"""


class BacktestSettings(SettingsGroup):
    """How much the models are tried on the past, and how often they are fitted."""

    backtest_items: PositiveInt = 500
    """items that the backtest runs on; more are sampled by their ids"""
    refit_days: NonNegativeFloat = 7.0
    """days of data after which models are fitted anew; until then they go on; 0 = in every run"""


class WorkerSettings(SettingsGroup):
    """Where tasks run."""

    engine: Literal["loky", "ray"] = "loky"
    """what runs the tasks of run, train and forecast: processes of this machine, or ray"""
    ray_address: Annotated[str, AfterValidator(read_head)] = ""
    """head of a Ray cluster, host:port, where ENGINE is ray; empty = Ray is started here"""


class WatchSettings(SettingsGroup):
    """What is watched from night to night, and who is told."""

    drift_rate: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """share of nights on which drift may be told although nothing has changed"""
    drift_false_share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """share of items that may be named although they have not changed"""
    late_periods: NonNegativeInt = 2
    """periods that data may be behind the last one that is over, before people are told"""
    night_hours: PositiveFloat = 24.0
    """hours from one night to the next; more without one are missed nights"""
    message_urls: SecretStr = SecretStr("")
    """who is told of nights that need a look: Apprise addresses, spaces between; empty = nobody"""
    message_attempts: PositiveInt = 6
    """how often a message is tried, over as many nights, before it is given up"""
    heartbeat_url: SecretStr = SecretStr("")
    """address asked after each good night, for a monitor that misses it; empty = none"""
    metrics_textfile: ProjectPath | None = None
    """file of figures for Prometheus, ending in .prom; empty = none"""


class NightSettings(SettingsGroup):
    """What the nightly job asks for, and how long it waits."""

    night_step_hours: PositiveFloat = 8.0
    """longest that one step may take [h]"""
    night_silence_minutes: PositiveFloat = 60.0
    """longest that a step may neither say nor compute anything [min]"""
    night_wait_minutes: NonNegativeFloat = 30.0
    """longest that a night waits for a run by hand [min]"""
    keep_inputs: bool = True
    """keep what each night's version was made of, as long as the version, for previsor reproduce"""
    night_free_mib: NonNegativeFloat = 1024.0
    """room that a night asks for on the disk of each of its folders [MiB]"""
    night_day: date | None = None
    """day on which a night began, which it tells its steps; not to be set by hand"""


class StoreSettings(SettingsGroup):
    """The object store that versions are published to."""

    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=_or_minio))

    s3_endpoint: str = ""
    """host:port of the object store; MINIO_* is understood for every S3_* name"""
    s3_region: str = "us-east-1"
    """its region"""
    s3_bucket: str = ""
    """bucket, which must exist"""
    s3_prefix: str = ""
    """path in the bucket below which everything lies; empty = the whole bucket"""
    s3_access_key: SecretStr = SecretStr("")
    """id of the key to publish with (a secret as well)"""
    s3_access_key_file: ProjectPath | None = None
    """file that holds the id instead"""
    s3_secret_key: SecretStr = SecretStr("")
    """the key itself"""
    s3_secret_key_file: ProjectPath | None = None
    """file that holds the key instead"""
    s3_secure: bool = True
    """https; false is for this machine alone, see the next but one"""
    s3_ca_file: ProjectPath | None = None
    """certificates to trust instead of the usual ones"""
    s3_allow_insecure: bool = False
    """true allows http to another machine: results travel in the clear"""


class ServingSettings(SettingsGroup):
    """The server of published versions."""

    serve_host: str = "127.0.0.1"
    """address that previsor serve listens on; another one asks for keys or a trusted proxy"""
    serve_port: Annotated[int, Field(ge=1, le=65535)] = 8600
    """its port"""
    serve_cache_dir: ProjectPath = PROJECT / "data" / "serving"
    """where it keeps verified copies of the versions it serves"""
    serve_poll_seconds: PositiveFloat = 30.0
    """within which it shows a newer version, or says that the store is away [s]"""
    serve_max_age_hours: NonNegativeFloat = 0.0
    """age from which /ready says no and answers say stale [hours]; 0 = never"""
    serve_keys_file: ProjectPath | None = None
    """file of its keys, a line each: a name and sha256: with the hash; empty = none is asked for"""
    serve_trusted_proxies: str = ""
    """addresses of proxies, with commas, that say who asks in X-Forwarded-User"""
    serve_access_log: bool = False
    """true writes a line for each request; with keys or a proxy each is written anyway"""
    serve_requests_at_once: PositiveInt = 256
    """requests that it answers at a time; more are told to come again"""
    serve_request_seconds: PositiveFloat = 20.0
    """longest until an answer begins [s]"""
