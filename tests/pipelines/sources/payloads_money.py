"""What the sources of economy and prices answer, good and bad, in their own words and shapes."""

import json
from datetime import UTC, date, datetime, timedelta

from pipelines.sources.base import Answer, SeriesRequest

XHTML = (
    b'<?xml version="1.0" encoding="pt-br"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 '
    b'Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n<html '
    b'xmlns="http://www.w3.org/1999/xhtml"><head><title>Requisi&ccedil;&atilde;o '
    b"inv&aacute;lida!</title></head><body><h1>Requisi&ccedil;&atilde;o</h1></body></html>"
)
HTML = b"<!DOCTYPE html>\n<html><head><title>Will be\nright back</title></head></html>"
XML = b'<?xml version="1.0"?><Error><Message>Service unavailable</Message></Error>'
TEXT = b"Edge: Too Many Requests"
NO_JSON = {
    "an HTML page": HTML,
    "an XHTML page": XHTML,
    "XML instead": XML,
    "plain text": TEXT,
    "an empty answer": b" \r\n ",
}
"""Bodies that are no JSON, by what the message has to call them."""

SGS_TEN_YEARS = (
    '{"error":"O sistema aceita uma janela de consulta de, no máximo, 10 anos em séries de '
    'periodicidade diária","message":"Informe as datas","syntax":"dataInicial=dd/MM/aaaa"}'
).encode()
SGS_TOO_MANY = (
    '{"erro":{"statusCode":400,"detail":"br.gov.bcb.SGSNegocioException: A quantidade máxima '
    'de valores deve ser 20"}}'
).encode()
SGS_NOT_FOUND = b'{"erro":{"statusCode":404,"detail":"Value(s) not found"}}'
YAHOO_NOT_FOUND = (
    b'{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, '
    b'symbol may be delisted"}}}'
)
YAHOO_UNAUTHORIZED = (
    b'{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}'
)
AV_QUOTA = (
    '{{"Information":"We have detected your API key as {key} and our standard API rate limit is '
    "25 requests per day. Please subscribe to any of the premium plans at "
    'https://www.example.com/premium/ to instantly remove all daily rate limits."}}'
)
AV_PREMIUM = (
    b'{"Information":"Thank you! The outputsize=full parameter value is a premium feature for '
    b'the TIME_SERIES_DAILY endpoint."}'
)
AV_BURST = (
    b'{"Information":"Please consider spreading out your free API requests more sparingly (1 '
    b"request per second). Premium plans lift the free key rate limit (25 requests per day), "
    b'raise the per-second burst limit, and unlock all premium endpoints"}'
)
AV_NOTE = b'{"Note":"Our standard API call frequency is 5 calls per minute and 500 calls per day."}'
AV_INVALID = (
    b'{"Error Message":"Invalid API call. Please retry or visit the documentation '
    b'for TIME_SERIES_DAILY."}'
)


def as_json(value):
    return json.dumps(value, ensure_ascii=False).encode()


def sgs(values):
    """Values by ISO date, texts as the service writes them."""
    return as_json([{"data": _brazilian(day), "valor": value} for day, value in values.items()])


def _brazilian(day):
    return "/".join(reversed(day.split("-")))


def ptax(closing, *, open_days=()):
    """Five bulletins for each ISO date with a closing rate, two for a running day."""
    day_of = [(day, rate, 5) for day, rate in closing.items()]
    day_of += [(day, 5.0, 2) for day in open_days]
    return as_json(
        {
            "@odata.context": "https://x/odata$metadata#_CotacaoMoedaPeriodo",
            "value": [
                bulletin(day, at, rate) for day, rate, count in day_of for at in range(count)
            ],
        }
    )


BULLETINS = ("Abertura", "Intermediário", "Intermediário", "Intermediário", "Fechamento")


def bulletin(day, at, rate):
    """The bulletin at 10 o'clock plus ``at`` hours; only the closing one has the rate given."""
    sell = rate if BULLETINS[at] == "Fechamento" else 99.0 + at
    return {
        "paridadeCompra": 1.0,
        "paridadeVenda": 1.0,
        "cotacaoCompra": round(sell - 0.0006, 4),
        "cotacaoVenda": sell,
        "dataHoraCotacao": f"{day} {10 + at}:06:25.045",
        "tipoBoletim": BULLETINS[at],
    }


def ipeadata_metadata(code, *, status="A", multiplier=None, unit="US$"):
    record = {
        "SERCODIGO": code,
        "SERNOME": "Petróleo bruto - Brent (FOB)",
        "SERCOMENTARIO": "",
        "SERATUALIZACAO": "2026-11-17T09:00:00.123-03:00",
        "PERNOME": "Diária",
        "UNINOME": unit,
        "MULNOME": multiplier,
        "SERSTATUS": status,
        "SERNUMERICA": True,
    }
    return as_json({"@odata.context": "http://x/$metadata#Metadados", "value": [record]})


def ipeadata_values(code, values, *, offset="-03:00", level=""):
    """Values by ISO date; ``None`` on weekends and holidays, which have rows of their own."""
    records = [
        {
            "SERCODIGO": code,
            "VALDATA": f"{day}T00:00:00{offset}",
            "VALVALOR": value,
            "NIVNOME": level,
            "TERCODIGO": "",
        }
        for day, value in values.items()
    ]
    return as_json({"@odata.context": "http://x/$metadata#ValoresSerie", "value": records})


SIDRA_HEADER = {
    "NC": "Nível Territorial (Código)",
    "NN": "Nível Territorial",
    "MC": "Unidade de Medida (Código)",
    "MN": "Unidade de Medida",
    "V": "Valor",
    "D1C": "Brasil (Código)",
    "D1N": "Brasil",
    "D2C": "Variável (Código)",
    "D2N": "Variável",
    "D3C": "Mês (Código)",
    "D3N": "Mês",
}
MONTHS = ("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto",
          "setembro", "outubro", "novembro", "dezembro")  # fmt: skip


def sidra(values, *, variable="63", header=True):
    """Values by ``YYYYMM``, texts as the service writes them."""
    records = [
        {
            "NC": "1",
            "NN": "Brasil",
            "MC": "2",
            "MN": "%",
            "V": value,
            "D1C": "1",
            "D1N": "Brasil",
            "D2C": variable,
            "D2N": "IPCA - Variação mensal",
            "D3C": month,
            "D3N": f"{MONTHS[int(month[4:]) - 1]} {month[:4]}",
        }
        for month, value in values.items()
    ]
    return as_json([SIDRA_HEADER, *records] if header else records)


def epoch(moment, *, hours=-3):
    """Seconds since 1970 of a local moment, ``2025-03-06 10:00``, at an offset in hours."""
    return int(datetime.fromisoformat(f"{moment}{hours:+03d}:00").timestamp())


def session_opens(day):
    return epoch(f"{day} 10:00")


def yahoo(bars, *, dividends=(), splits=(), meta=None, symbol="PETR4.SA"):
    """Closes by second of the session's start, a list of pairs; events by second as well."""
    adjusted = [None if close is None else close * 0.5 for _, close in bars]
    chart = {
        "meta": {
            "currency": "BRL",
            "symbol": symbol,
            "exchangeName": "SAO",
            "gmtoffset": -10800,
            "exchangeTimezoneName": "America/Sao_Paulo",
            "validRanges": ["1d", "max"],
            **(meta or {}),
        },
        "timestamp": [stamp for stamp, _ in bars],
        "indicators": {
            "quote": [{"close": [close for _, close in bars]}],
            "adjclose": [{"adjclose": adjusted}],
        },
    }
    events = {
        "dividends": {str(at): {"amount": amount, "date": at} for at, amount in dividends},
        "splits": {
            str(at): {
                "date": at,
                "numerator": new,
                "denominator": old,
                "splitRatio": f"{new}:{old}",
            }
            for at, new, old in splits
        },
    }
    if dividends or splits:
        chart["events"] = {kind: found for kind, found in events.items() if found}
    return as_json({"chart": {"result": [chart], "error": None}})


def yahoo_no_bars(symbol="PETR4.SA"):
    chart = json.loads(yahoo([], symbol=symbol))
    del chart["chart"]["result"][0]["timestamp"]
    chart["chart"]["result"][0]["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return as_json(chart)


def alpha_vantage(closes, *, symbol="PETR4.SAO"):
    """Closes by ISO date, given newest first as the service does."""
    bars = {
        day: {
            "1. open": "35.2000",
            "2. high": "99.0000",
            "3. low": "1.0000",
            "4. close": close,
            "5. volume": "38512400",
        }
        for day, close in sorted(closes.items(), reverse=True)
    }
    about = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": max(closes, default=""),
        "4. Output Size": "Compact",
        "5. Time Zone": "US/Eastern",
    }
    return as_json({"Meta Data": about, "Time Series (Daily)": bars})


def utc_midnight(day, *, later=0):
    """Seconds since 1970 at 00:00 UTC of an ISO date plus days."""
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=later)
    return int(moment.timestamp())


def answered(folder, body, *, day="2025-03-10", media="json", content_type=""):
    """A stored answer of the day."""
    path = folder / f"body.{media}"
    path.write_bytes(body)
    return Answer(path, date.fromisoformat(day), content_type)


def wanted(series, code, first="2025-03-01", last="2025-03-10"):
    """A series that is asked for."""
    return SeriesRequest(series, None, code, date.fromisoformat(first), date.fromisoformat(last))


def values_of(parsed, series=None):
    """Values by ISO date of one series of an answer, of its only one by default."""
    rows = parsed.rows.to_pylist()
    name = series or rows[0]["series"]
    return {f"{row['ref_date']:%Y-%m-%d}": row["value"] for row in rows if row["series"] == name}


def preliminary_days(parsed):
    """ISO dates of the rows that are to be revised, each once."""
    rows = parsed.rows.to_pylist()
    return sorted({f"{row['ref_date']:%Y-%m-%d}" for row in rows if row["preliminary"]})


def over_the_wire(source, call, client, *, day="2025-03-10"):
    """What a source makes of what the client fetches."""
    got = client.fetch(call, pause=0.0)
    assert got.outcome == "data"
    return source.parse(call, Answer(got.body, date.fromisoformat(day), got.content_type))
