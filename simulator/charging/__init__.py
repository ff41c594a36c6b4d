"""What charges: connectors, meters, vehicles, tokens, reservations, charging profiles."""
