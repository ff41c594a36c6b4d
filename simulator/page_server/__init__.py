"""Build and serve the simulator page."""
