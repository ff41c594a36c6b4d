"""Everything that writes recordings: the commits of the recorder, copies and deletions."""
