"""Browsing recordings in Datasette: thin hooks in `plugin.py` over pure functions; only that module calls Datasette."""
