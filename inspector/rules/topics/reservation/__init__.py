"""Reservations: how they are answered and shown, and how they end."""
