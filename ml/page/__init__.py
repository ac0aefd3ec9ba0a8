"""The one-file report of a version: its numbers packed, its first screen, the whole page."""
