"""Rules about tariffs and costs."""
