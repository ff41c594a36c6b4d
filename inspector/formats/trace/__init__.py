"""Open OCPP Trace v1 JSONL: read, spelled and written."""
