"""Judge how charge points boot, are reset and are configured."""
