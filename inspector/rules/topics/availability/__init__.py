"""Rules about heartbeats, status and availability."""
