"""Judge how 2.x stations authorize drivers."""
