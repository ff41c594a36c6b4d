"""Redaction: secrets and personal values are starred or replaced before a frame reaches the disk."""
