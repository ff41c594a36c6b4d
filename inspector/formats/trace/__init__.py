"""Read and write Open OCPP Trace v1 JSONL."""
