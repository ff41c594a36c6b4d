"""The headless charge point of OCPP 1.6."""
