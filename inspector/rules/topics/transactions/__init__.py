"""Judge transactions, in 1.6 and 2.x."""
