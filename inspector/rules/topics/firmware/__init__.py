"""Judge firmware updates and log uploads: answers, statuses and required security events."""
