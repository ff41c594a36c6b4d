"""Read and write HAR files."""
