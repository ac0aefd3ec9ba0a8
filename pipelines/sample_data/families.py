"""The ten families of parts: how often, how many, what drives them, how long they take."""

from dataclasses import dataclass

TIERS = ("fast", "medium", "slow", "insurance")
TIER_RATES = ((0.25, 0.80), (0.05, 0.25), (0.010, 0.05), (0.002, 0.010))
"""Arrivals on a plain Monday, lowest and highest of each tier [1/day]; log-uniform between."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: Plain name, the ``family`` column.
        prefix: First three letters of its item ids.
        share: Share of all items.
        tiers: Share of the family's items in each of :data:`TIERS`.
        log_size: Mean and spread of the logarithm of the units that one arrival asks for.
        pack: Units in a pack; quantities of a pack or more are whole packs.
        storm: Effect of the storm series on the log rate.
        humidity: Effect of the standardised 60-day humidity on the log rate, halved in use.
        fiveg: Effect of the 5G ramp (0 to 1) on the log rate.
        imported: Share of items that come from abroad.
        lead_time: Median [days] and spread of the logarithm of the lead time.
        criticality: A, B or C; items of the insurance tier are ``insurance``.
        unit_cost: Typical cost of one unit [BRL].
        nouns: What its items are called.
    """

    name: str
    prefix: str
    share: float
    tiers: tuple[float, float, float, float]
    log_size: tuple[float, float]
    pack: int
    storm: float
    humidity: float
    fiveg: float
    imported: float
    lead_time: tuple[float, float]
    criticality: str
    unit_cost: float
    nouns: tuple[str, ...]


FAMILIES = (
    Family("cables", "CAB", 0.14, (0.20, 0.45, 0.35, 0.0), (2.8, 1.0), 10, 0.35, 0.10, 0.30, 0.3,
           (8, 0.9), "B", 18.0, ("RF cable 7/8", "Power cable 16 mm2", "Optical cord", "Jumper")),
    Family("connectors", "CON", 0.16, (0.20, 0.45, 0.35, 0.0), (2.0, 0.8), 5, 0.40, 0.45, 0.35, 0.4,
           (10, 0.9), "B", 32.0, ("Connector N male", "Connector 4.3-10", "Adapter 7/16")),
    Family("batteries", "BAT", 0.08, (0.05, 0.45, 0.45, 0.05), (1.1, 0.6), 4, 0.10, 0.15, 0.0, 0.6,
           (25, 0.7), "A", 950.0, ("Battery 12V 100Ah", "Battery 48V lithium", "Battery 9V")),
    Family("rectifiers", "REC", 0.08, (0.0, 0.25, 0.60, 0.15), (0.3, 0.4), 1, 0.45, 0.10, 0.15, 0.9,
           (45, 0.7), "A", 2400.0, ("Rectifier 48V 50A", "Rectifier 48V 30A", "Controller")),
    Family("antennas", "ANT", 0.10, (0.0, 0.15, 0.65, 0.20), (0.5, 0.5), 1, 0.35, 0.10, 0.60, 0.95,
           (60, 0.7), "A", 5200.0, ("Sector antenna", "RRU 3500 MHz", "Microwave dish")),
    Family("breakers", "BRK", 0.10, (0.10, 0.50, 0.40, 0.0), (1.0, 0.7), 1, 0.80, 0.05, 0.05, 0.3,
           (10, 0.8), "A", 120.0, ("Breaker 32A", "Surge protector class II", "Breaker 63A")),
    Family("grounding", "GRD", 0.12, (0.18, 0.47, 0.35, 0.0), (2.2, 1.0), 10, 0.15, 0.50, 0.05, 0.1,
           (6, 1.0), "C", 14.0, ("Ground rod", "Ground clamp", "Cable tie steel", "Fixing kit")),
    Family("beacons", "BCN", 0.06, (0.05, 0.55, 0.40, 0.0), (0.7, 0.5), 1, 0.40, 0.15, 0.0, 0.5,
           (14, 0.8), "A", 310.0, ("Beacon LED red", "Beacon lamp 100W", "Photocell")),
    Family("structural", "STR", 0.08, (0.10, 0.50, 0.40, 0.0), (1.8, 0.9), 1, -0.10, 0.40, 0.05,
           0.05, (8, 1.0), "C", 75.0, ("Galvanised bolt M16", "Zinc paint 3.6 l", "Angle bar")),
    Family("safety", "EPI", 0.08, (0.25, 0.45, 0.30, 0.0), (1.2, 0.7), 1, 0.0, 0.0, 0.05, 0.1,
           (4, 1.0), "C", 60.0, ("Insulating glove", "Helmet", "Fall arrester", "Torque key")),
)  # fmt: skip
