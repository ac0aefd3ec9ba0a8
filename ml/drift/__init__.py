"""Drift: whether demand, outside data and forecasts are still what they were, and history is."""
