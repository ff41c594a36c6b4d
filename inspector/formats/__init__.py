"""Import and export: read the files that other tools write, and write the files that they read."""
