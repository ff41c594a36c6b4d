"""Work on stored recordings and files: check, import, rebuild and anonymize. No charge point waits for these."""
