"""Simulated charge points, in a browser and headless: knows the charging side of OCPP, nothing of inspector/."""
