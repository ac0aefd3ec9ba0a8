"""The stages of a run: train, backtest, forecast, write. One code path, chunk by chunk."""
