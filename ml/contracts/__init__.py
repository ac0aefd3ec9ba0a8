"""The tables of the project as data: columns, types, units, ranges, keys, and the check."""

from ml.contracts.base import Contract
from ml.contracts.beside_orders import JOINT_ORDERS, POLICY_GRID, SERVICE_CURVES, TRANSFERS
from ml.contracts.changes import CHANGES
from ml.contracts.demand import (
    DEMAND,
    INVENTORY,
    ITEMS,
    OPEN_ORDERS,
    RECEIPTS,
    SITE_DEMAND,
    STOCK_BY_LOCATION,
    SUPPLIERS,
)
from ml.contracts.drift import DRIFT
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS, TOTALS
from ml.contracts.history import HISTORY, PAST_FORECASTS, SCORES
from ml.contracts.metrics import METRICS
from ml.contracts.outside import DIVIDENDS, FEATURES_TABLE, OUTSIDE
from ml.contracts.price_outlook import EXPOSURE, PRICE_EXPOSURE, PRICE_OUTLOOK
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION

PUBLISHED: tuple[Contract, ...] = (
    *(FORECASTS, REFUSALS, FORECAST_MODELS, TOTALS),
    *(RECOMMENDATIONS, SERVICE_CURVES, POLICY_GRID, JOINT_ORDERS, PRICE_OUTLOOK),
    *(PRICE_EXPOSURE, TRANSFERS),
    *(METRICS, SIMULATION, PORTFOLIO_CURVES),
    *(HISTORY, CHANGES, PAST_FORECASTS, SCORES),
)
"""The tables of a version, in the order of the documentation."""
PROCESSED: tuple[Contract, ...] = (
    *(DEMAND, SITE_DEMAND, ITEMS, INVENTORY, STOCK_BY_LOCATION, OPEN_ORDERS, RECEIPTS, EXPOSURE),
    *(SUPPLIERS, *OUTSIDE, DIVIDENDS, FEATURES_TABLE),
)
"""The tables below ``processed/``."""
KEPT: tuple[Contract, ...] = (DRIFT,)
"""The tables that a night makes and keeps, beside those of its version."""
