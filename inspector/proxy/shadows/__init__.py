"""Connect to the shadows of charge points, and record their sessions. `inspector.shadow` decides what they get."""
