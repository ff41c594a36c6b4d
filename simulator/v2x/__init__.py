"""The answers and messages of a headless charging station in OCPP 2.0.1 and 2.1."""
