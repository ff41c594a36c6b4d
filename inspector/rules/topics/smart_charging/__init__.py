"""Charging profiles and schedules: what they hold, who may set them, and how they are answered."""
