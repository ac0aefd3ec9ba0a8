"""Drift: whether demand, outside data and errors are still what they were, and what history is."""
