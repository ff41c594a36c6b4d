"""Infer the state of a charge point from its frames, for the rules in `topics`."""
