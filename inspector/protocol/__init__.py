"""Parse OCPP-J messages and pair calls with answers. Does no I/O and reads no clock."""
