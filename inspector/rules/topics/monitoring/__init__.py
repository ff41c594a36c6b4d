"""Variable monitoring: setting and clearing monitors, the events they raise, and periodic event streams."""
