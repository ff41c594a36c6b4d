"""Firmware updates and log uploads: their answers, their statuses and the security events they need."""
