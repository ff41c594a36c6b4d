"""Judge heartbeats, status and availability."""
