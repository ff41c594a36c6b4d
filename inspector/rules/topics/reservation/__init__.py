"""Judge reservations: their answers, the status of reserved connectors, and how they end."""
