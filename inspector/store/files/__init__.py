"""The files of a recording: locks, names, rotation, sealing, and opening them to read."""
