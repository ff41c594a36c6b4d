"""Work on recordings and files that no charge point waits for: check, import, rebuild, anonymize."""
