"""Combining models: weights out of the backtest, paths out of the components."""
