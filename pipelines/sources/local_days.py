"""Which time zone a Brazilian region keeps: weather is counted on the local day."""

from ml.errors import DataError

_ZONES = {
    "America/Araguaina": ("TO",),
    "America/Bahia": ("BA",),
    "America/Belem": ("AP", "PA"),
    "America/Boa_Vista": ("RR",),
    "America/Campo_Grande": ("MS",),
    "America/Cuiaba": ("MT",),
    "America/Fortaleza": ("CE", "MA", "PB", "PI", "RN"),
    "America/Maceio": ("AL", "SE"),
    "America/Manaus": ("AM",),
    "America/Porto_Velho": ("RO",),
    "America/Recife": ("PE",),
    "America/Rio_Branco": ("AC",),
    "America/Sao_Paulo": ("DF", "ES", "GO", "MG", "PR", "RJ", "RS", "SC", "SP"),
}
ZONE_OF_STATE = {state: zone for zone, states in _ZONES.items() for state in states}
"""Time zone of each of the 26 states and the federal district (Fernando de Noronha left out)."""


def time_zone(region: str) -> str:
    """Time zone of a city, from the state that ends its name.

    Args:
        region: City with its state, such as ``salvador_ba``.

    Returns:
        IANA name; it knows that only some states had summer time, the last one in 2018/19.

    Raises:
        DataError: The name ends in no state.
    """
    state = region[-2:].upper()
    if state not in ZONE_OF_STATE or region[-3:-2] not in ("", "_"):
        raise DataError(
            f"region {region!r}: ends in no Brazilian state. Name it like salvador_ba in SITES."
        )
    return ZONE_OF_STATE[state]
