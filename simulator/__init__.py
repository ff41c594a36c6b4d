"""Simulated charge points, headless and in a browser. They do not use the inspector."""
