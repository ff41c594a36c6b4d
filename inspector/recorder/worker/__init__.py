"""The recorder in a process or thread of its own: handing over, acknowledging, restarting, back-pressure."""
