"""Judge variable monitoring: setting and clearing monitors, their events, and periodic event streams."""
