"""Show recordings in Datasette. `plugin.py` has the hooks for Datasette, which call pure functions of other modules."""
