"""Rules about what the CSMS has a charge point do: start, stop, trigger, unlock."""
