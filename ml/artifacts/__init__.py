"""Versions of the results on the local disk: written whole or not at all, and read back checked."""
