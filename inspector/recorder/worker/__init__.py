"""Run the recorder in a process or thread of its own: send it records, restart it, and slow down fast peers."""
