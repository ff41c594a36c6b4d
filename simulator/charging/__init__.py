"""The parts of charging: connectors, meters, vehicles, tokens, reservations, charging profiles."""
