"""The rules, by topic: one module per functional block of OCPP."""
