"""HAR files: read, walked through and written."""
