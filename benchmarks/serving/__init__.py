"""Requests a second of one core: the server of published versions beside Datasette and ROAPI."""
