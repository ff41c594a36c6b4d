"""The output of the commands: lines, ladders, reports, JSON, progress."""
