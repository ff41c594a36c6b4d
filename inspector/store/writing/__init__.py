"""Everything that writes to a recording: the live recorder's commits, copies, deletions."""
