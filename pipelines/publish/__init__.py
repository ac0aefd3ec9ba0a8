"""Versions in a store that others read: published whole or not at all, rolled back, cleared up."""
