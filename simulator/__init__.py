"""Simulated charge points, headless and in a browser. They do not import the package `inspector`."""
