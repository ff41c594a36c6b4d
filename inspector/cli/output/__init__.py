"""What the commands print: lines, ladders, reports, JSON, progress."""
