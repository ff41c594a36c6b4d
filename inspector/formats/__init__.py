"""Import and export: read files of other tools, and write files for them."""
