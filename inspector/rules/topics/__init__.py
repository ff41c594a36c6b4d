"""Define the rules by topic, with one module or package for each functional block of OCPP."""
