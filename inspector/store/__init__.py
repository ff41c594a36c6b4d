"""The SQLite file: its tables, the only writer and the readers. Knows nothing about sockets or judging."""
