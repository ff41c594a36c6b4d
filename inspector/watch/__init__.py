"""Follow a recording while it grows, and send alerts. Runs in processes that can die without harm to recording."""
