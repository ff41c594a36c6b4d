"""What certificates are used for: contracts of cars, the status of a chain, and which ones are installed."""
