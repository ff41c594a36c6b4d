"""The SQLite file: its tables, the only writer and the readers; knows nothing of sockets or judging."""
