"""Rules about how 2.x stations authorize drivers, one topic a module."""
