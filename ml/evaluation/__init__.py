"""Judging models: origins, scores, classes, metrics."""
