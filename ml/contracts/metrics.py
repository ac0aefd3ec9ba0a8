"""The metrics table: long, one row a number, with the closed list of metric names."""

from ml.contracts.base import Contract, count, day, number, text
from ml.contracts.forecasts import KIND

METRICS_MEANING = {
    "mae": "mean absolute error of the median",
    "rmse": "root mean squared error of the mean",
    "mase": "mae over the in-sample error of the seasonal naive forecast",
    "rmsse": "rmse over the in-sample root mean squared error of the naive forecast",
    "wape": "sum of absolute errors of the median over the sum of actuals",
    "bias": "sum of (mean forecast - actual) over sum of actuals; above 0 = too much",
    "mape": "mean absolute percentage error of the median; only where every actual is > 0",
    "accuracy": "1 - mape, where mape is defined",
    "wql": "weighted quantile loss at .1 to .9 over the sum of absolute actuals",
    "cum_wql": "the same of the cumulative demand of steps 1 to H, at .5, .8, .9, .95, .99",
    "scaled_pinball": "mean pinball loss at .1 to .9 over the item's scale: the root mean square "
    "of its demand, or of its price changes",
    "scaled_crps": "continuous ranked probability score over the item's scale",
    "cum_scaled_crps": "the same of the cumulative demand over the protection interval",
    "coverage_80": "share of actuals below q80, randomised for counts",
    "coverage_90": "share of actuals below q90, randomised for counts",
    "coverage_95": "share of actuals below q95, randomised for counts",
    "coverage_80_interval": "share of actuals between q10 and q90, randomised for counts; with a "
    "step: from it to the next one named",
    "cum_tail_pinball": "mean pinball loss at .8, .9, .95, .99 of the cumulative demand over the "
    "protection interval, over the item's scale and the root of the interval's steps",
    "cum_coverage_80": "share of cumulative demands over the protection interval below its .8 "
    "quantile, randomised for counts",
    "cum_coverage_90": "the same of the .9 quantile",
    "cum_coverage_95": "the same of the .95 quantile",
    "cum_coverage_99": "the same of the .99 quantile",
    "horizon_coverage_80": "share of cumulative demands of steps 1 to H below the .8 quantile, "
    "randomised for counts",
    "horizon_coverage_90": "the same of the .9 quantile",
    "horizon_coverage_95": "the same of the .95 quantile",
    "horizon_coverage_99": "the same of the .99 quantile",
    "fva_naive": "forecast value added: 1 - scaled_crps / scaled_crps of naive, which is easily "
    "beaten; see skill",
    "skill": "share of the score that weights are chosen by (half scaled_crps of periods, half "
    "of cumulative demand) that is saved against the best reference of the class at it",
    "skill_low": "lower end of its 95 % interval over items and origins; null of one origin",
    "skill_high": "upper end",
    "stock_skill": "share of cum_tail_pinball saved against the best reference of the class at it",
    "stock_skill_low": "lower end of its 95 % interval over items and origins; null of one origin",
    "stock_skill_high": "upper end",
    "vs_reference": "scaled_crps less that of the best reference of the class, all origins; "
    "below 0 = better",
    "vs_reference_low": "lower end of its 95 % interval over items and origins; null of one origin",
    "vs_reference_high": "upper end",
    "spread": "factor that the ensemble's intervals were stretched by, from horizon_step to the "
    "next one named",
    "cum_spread": "factor that those of cumulative demand over the protection interval were "
    "stretched by",
    "weight": "share of the model in the ensemble",
    "driver_gain": "change of the scaled pinball loss that a group of drivers makes, its values as "
    "known at each origin; below 0 = it helps",
    "driver_gain_low": "lower end of its 90 % interval over origins",
    "driver_gain_high": "upper end",
    "driver_gain_foreseen": "the same had the drivers' later values been known",
    "driver_gain_foreseen_low": "lower end of its 90 % interval over origins",
    "driver_gain_foreseen_high": "upper end",
    "driver_used": "1 = the class's models take the group, 0 = left out",
    "driver_effect": "effect of one driver on the log of the rate of demand, a standard deviation",
    "driver_effect_low": "lower end of its 90 % interval",
    "driver_effect_high": "upper end",
}

METRICS = Contract(
    "metrics",
    key=("kind", "panel", "item_id", "demand_class", "model", "cutoff", "horizon_step", "metric"),
    version=2,
    columns=(
        KIND,
        text("item_id", "item; null = all items", nullable=True),
        text("demand_class", "class; null = all", nullable=True),
        text("model", "model; drivers:<group> and driver:<name> for what is outside"),
        day("cutoff", "origin; null = all origins", nullable=True),
        count("horizon_step", "periods", "step; null = all steps", 1, nullable=True),
        text("metric", "name", METRICS_MEANING),
        number("value", "see metric", "the number"),
        count("n_obs", "1", "how many actuals it is from"),
        text("panel", "kind and frequency, as in demand_ms; weeks with their first day",
             nullable=True),
    ),
)  # fmt: skip
