"""Tools with which an agent reads a recording, served by the command `mcp`."""
