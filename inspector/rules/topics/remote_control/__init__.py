"""Judge requests of the CSMS to a charge point: remote start and stop, triggers, unlocking."""
