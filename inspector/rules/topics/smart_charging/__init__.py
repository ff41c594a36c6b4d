"""Judge charging profiles and schedules: their content, who may set them, and how they are answered."""
