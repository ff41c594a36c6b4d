"""The answers and messages of a headless charge point in OCPP 1.6."""
