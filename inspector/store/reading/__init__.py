"""The queries that read a recording. They never write."""
