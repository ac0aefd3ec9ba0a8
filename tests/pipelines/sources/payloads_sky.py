"""What the sources of weather and of telecoms answer, good and bad, in their own shapes."""

import io
import json
import zipfile
from datetime import date, datetime, timedelta

from pipelines.sources.base import SeriesRequest

HTML_CP1252 = (
    "<!DOCTYPE html><html><head><title>Agência Nacional de\nTelecomunicações</title></head>"
    "<body>Página não encontrada</body></html>"
).encode("cp1252")
INMET_ERROR = b'{"error":"Algo deu errado!!"}'
OPEN_METEO_WRONG = b'{"reason":"Something went wrong.","error":true}'
OPEN_METEO_RANGE = (
    b'{"error":true,"reason":"Parameter \'end_date\' is out of allowed range from 1940-01-01 '
    b'to 2025-03-10"}'
)
OPEN_METEO_LIMIT = (
    b'{"error":true,"reason":"Minutely API request limit exceeded. Please try again in one '
    b'minute."}'
)
OPEN_METEO_CONCURRENT = b'{"error":true,"reason":"Too many concurrent requests"}'
POWER_MESSAGES = (
    b'{"header":{"title":"NASA/POWER"},"messages":["One of your parameters is incorrect: X2M"]}'
)
POWER_DETAIL = b'{"detail":[{"loc":["query","start"],"msg":"field required","type":"missing"}]}'

SITES = {"salvador_ba": (-12.97, -38.51), "sao_paulo_sp": (-23.55, -46.63)}
WEATHER = (
    "temperature_avg_c",
    "temperature_max_c",
    "temperature_min_c",
    "precipitation_mm",
    "humidity_percent",
    "wind_max_kmh",
)


def wanted(series, region="salvador_ba", *, first="2025-03-01", last="2025-03-10", code=""):
    """A series of a city or a state that is asked for."""
    window = (date.fromisoformat(first), date.fromisoformat(last))
    return SeriesRequest(series, region, code, *window, SITES.get(region))


def values_of(parsed, series, region="salvador_ba"):
    """Values of one series and region of an answer by ISO date."""
    return {
        f"{row['ref_date']:%Y-%m-%d}": row["value"]
        for row in parsed.rows.to_pylist()
        if (row["series"], row["region"]) == (series, region)
    }


def days(first, last):
    """All days of a window."""
    start, end = date.fromisoformat(str(first)), date.fromisoformat(str(last))
    return [start + timedelta(days=at) for at in range((end - start).days + 1)]


def _level(name, day):
    """A made-up value of a day: plausible for every series, another one every day."""
    base = {"m": 26.0, "x": 30.0, "n": 22.0, "p": 4.0, "h": 78.0, "w": 18.0}[name]
    return round(base + day.toordinal() % 20 / 10, 1)


OPEN_METEO = {
    "temperature_2m_mean": ("°C", "m"),
    "temperature_2m_max": ("°C", "x"),
    "temperature_2m_min": ("°C", "n"),
    "precipitation_sum": ("mm", "p"),
    "relative_humidity_2m_mean": ("%", "h"),
    "wind_speed_10m_max": ("km/h", "w"),
}


def open_meteo(
    first, last, *, variables=tuple(OPEN_METEO), timezone="America/Bahia", change=None, units=None
):
    """An answer for one place.

    ``change`` replaces values by variable and ISO date, ``units`` units by variable; a variable
    that is changed to ``None`` as a whole is left out.
    """
    span, change = days(first, last), change or {}
    daily = {"time": [str(day) for day in span]}
    for name in variables:
        if change.get(name, {}) is not None:
            level = {str(day): _level(OPEN_METEO[name][1], day) for day in span}
            daily[name] = list({**level, **change.get(name, {})}.values())
    body = {
        "latitude": -13.0,  # the cell of the grid, not the place asked for
        "longitude": -38.5,
        "generationtime_ms": 1.2,
        "utc_offset_seconds": -10800,
        "timezone": timezone,
        "timezone_abbreviation": "GMT-3",
        "elevation": 12.0,
        "daily_units": {
            "time": "iso8601",
            **{name: OPEN_METEO[name][0] for name in variables},
            **(units or {}),
        },
        "daily": daily,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def open_meteo_to(query, *, change=None):
    """The answer to the query of a request, for a server."""
    return open_meteo(
        query["start_date"],
        query["end_date"],
        variables=query["daily"].split(","),
        timezone=query["timezone"],
        change=change,
    )


POWER = {
    "T2M": ("C", "m"),
    "T2M_MAX": ("C", "x"),
    "T2M_MIN": ("C", "n"),
    "RH2M": ("%", "h"),
    "PRECTOTCORR": ("mm/day", "p"),
    "WS10M_MAX": ("m/s", "p"),
}


def nasa_power(first, last, *, parameters=tuple(POWER), change=None, fill=-999.0, units=None):
    """An answer for one place; ``change`` replaces values by parameter and day (``20250303``)."""
    columns = {
        name: {f"{day:%Y%m%d}": _level(POWER[name][1], day) for day in days(first, last)}
        for name in parameters
    }
    for name, changed in (change or {}).items():
        columns[name].update(changed)
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-38.51, -12.97, 33.2]},
        "properties": {"parameter": columns},
        "header": {"title": "NASA/POWER", "fill_value": fill, "time_standard": "LST"},
        "messages": [],
        "parameters": {
            name: {"units": (units or {}).get(name, POWER[name][0]), "longname": name}
            for name in parameters
        },
    }
    return json.dumps(body).encode()


def nasa_power_to(query):
    """The answer to the query of a request, for a server."""
    window = (datetime.strptime(query[end], "%Y%m%d").date() for end in ("start", "end"))
    return nasa_power(*window, parameters=query["parameters"].split(","))


INMET_COLUMNS = (
    "PRECIPITAÇÃO TOTAL, HORÁRIO (mm)",
    "PRESSAO ATMOSFERICA AO NIVEL DA ESTACAO, HORARIA (mB)",
    "PRESSÃO ATMOSFERICA MAX.NA HORA ANT. (AUT) (mB)",
    "PRESSÃO ATMOSFERICA MIN. NA HORA ANT. (AUT) (mB)",
    "RADIACAO GLOBAL (Kj/m²)",
    "TEMPERATURA DO AR - BULBO SECO, HORARIA (°C)",
    "TEMPERATURA DO PONTO DE ORVALHO (°C)",
    "TEMPERATURA MÁXIMA NA HORA ANT. (AUT) (°C)",
    "TEMPERATURA MÍNIMA NA HORA ANT. (AUT) (°C)",
    "TEMPERATURA ORVALHO MAX. NA HORA ANT. (AUT) (°C)",
    "TEMPERATURA ORVALHO MIN. NA HORA ANT. (AUT) (°C)",
    "UMIDADE REL. MAX. NA HORA ANT. (AUT) (%)",
    "UMIDADE REL. MIN. NA HORA ANT. (AUT) (%)",
    "UMIDADE RELATIVA DO AR, HORARIA (%)",
    "VENTO, DIREÇÃO HORARIA (gr) (° (gr))",
    "VENTO, RAJADA MAXIMA (m/s)",
    "VENTO, VELOCIDADE HORARIA (m/s)",
)
RAIN, TEMPERATURE, TMAX, TMIN, HUMIDITY, WIND = 0, 5, 7, 8, 13, 16
_HOUR = ("0", "1012,3", "1012,9", "1012", "", "26,1", "21", "26,8", "25,9", "22", "20,5")
CALM = (*_HOUR, "80", "76", "78", "90", "7,1", "2,5")
"""An hour: no rain, 26.1 (25.9 to 26.8) deg C, 78 %, 2.5 m/s = 9 km/h; blank radiation of night."""


def inmet_file(first, last, *, hours=None, style="new", columns=INMET_COLUMNS, ending="\r\n"):
    """A station's file.

    Args:
        first: First day in UTC, ISO.
        last: Last day.
        hours: Cells by UTC hour (``2023-01-01T05``) and position of the column; ``None`` as the
            cells leaves the hour out.
        style: ``new`` or ``old`` (until 2018).
        columns: Names of the columns after day and hour.
        ending: Of lines.
    """
    old = style == "old"
    about = (
        ("REGIAO:", "NE"), ("UF:", "BA"), ("ESTACAO:", "SALVADOR"), ("CODIGO (WMO):", "A401"),
        ("LATITUDE:", "-13,00555554"), ("LONGITUDE:", "-38,50583333"), ("ALTITUDE:", "47,36"),
        ("DATA DE FUNDACAO:", "25/07/06"),
    )  # fmt: skip
    lines = [";".join(pair) for pair in about]
    lines.append(";".join(("DATA (YYYY-MM-DD)", "HORA (UTC)") if old else ("Data", "Hora UTC")))
    lines[-1] += ";" + ";".join(columns) + ";"
    for day in days(first, last):
        for hour in range(24):
            cells = dict(enumerate(CALM))
            changed = (hours or {}).get(f"{day}T{hour:02}", {})
            if changed is not None:
                cells.update(changed)
                when = f"{day};{hour:02}:00" if old else f"{day:%Y/%m/%d};{hour:02}00 UTC"
                lines.append(f"{when};{';'.join(cells.values())};")
    return (ending.join(lines) + ending).encode("latin-1")


def inmet_name(code, year=2023, *, folder="", name="SALVADOR (RADIO FAROL)"):
    """Name of a station's file in the ZIP."""
    return f"{folder}INMET_NE_BA_{code}_{name}_01-01-{year}_A_31-12-{year}.CSV"


def zipped(members):
    """A ZIP of bodies by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def inmet_zip(first, last, *, codes=("A401", "A701"), hours=None):
    """A year's ZIP, for a server: the same hours at every station."""
    body = inmet_file(first, last, hours=hours)
    return zipped({inmet_name(code, str(first)[:4]): body for code in codes})


ACCESSES_HEADER = (
    "Ano", "Mês", "Grupo Econômico", "Empresa", "CNPJ", "Porte da Prestadora", "UF", "Município",
    "Código IBGE Município", "Código Nacional", "Código Nacional (Chip)",
    "Modalidade de Cobrança", "Tecnologia", "Tecnologia Geração", "Tipo de Pessoa",
    "Tipo de Produto", "Acessos",
)  # fmt: skip


def accesses_row(year, month, state, generation, accesses, *, town="Salvador"):
    """A row of the file of mobile accesses."""
    return (
        str(year), str(month), "TELECOM AMERICAS", "CLARO", "40432544000147", "Grande Porte",
        state, town, "2927408", "71", "N/I", "Pós-pago", "NR" if generation == "5G" else "LTE",
        generation, "Pessoa Física", "DADOS+VOZ", str(accesses),
    )  # fmt: skip


def accesses_file(rows, *, header=ACCESSES_HEADER):
    """A half-year: with BOM, quotes around whatever has a blank, CRLF."""
    lines = [";".join(f'"{cell}"' if " " in cell else cell for cell in row) for row in rows]
    return ("\ufeff" + "\r\n".join([";".join(header), *lines]) + "\r\n").encode()


def accesses_zip(halves):
    """The ZIP with rows by half-year (``2026_1S``)."""
    return zipped(
        {
            "Densidade_Telefonia_Movel.csv": b"\xef\xbb\xbfAno;Densidade\r\n",
            **{
                f"Acessos_Telefonia_Movel_{half}.csv": accesses_file(rows)
                for half, rows in halves.items()
            },
        }
    )


STATIONS_HEADER = (
    "NomeEntidade", "NumFistel", "NumServico", "NumEstacao", "SiglaUf", "CodMunicipio",
    "DesignacaoEmissao", "Tecnologia", "tipoTecnologia", "FreqTxMHz", "AlturaAntena",
    "DataLicenciamento", "DataPrimeiroLicenciamento",
)  # fmt: skip


def station_row(number, technology="NR", *, state="BA", service="10"):
    """A carrier of a sector of a station; its height is written as the export does at times."""
    return (
        "TIM S A", "50409146285", service, str(number), state, "2927408", "100MG7W", technology,
        "", "3350", "30;5", "2023-05-02", "1999-03-31",
    )  # fmt: skip


def stations_file(rows, *, header=STATIONS_HEADER, mark="|"):
    """The export's CSV."""
    return ("\n".join(mark.join(row) for row in (header, *rows)) + "\n").encode()


def stations_zip(rows):
    """The export."""
    return zipped({"csv_licenciamento_7f3a.csv": stations_file(rows)})


STATIONS_PAGE = b"<!DOCTYPE html><html><head><title>Licenciamento</title></head></html>"
STATIONS_NO_RESULT = (
    b'{"title":"Aviso","message":"Nenhum registro foi encontrado para a consulta."}'
)


def stations_path(state):
    """The answer of the form: where the export lies."""
    path = f"/se/public/view/b/download.php?file={state}"
    return json.dumps({"redirectUrl": path}).encode()
