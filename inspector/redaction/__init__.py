"""Hide secrets and personal values in frames, events and findings before they are stored."""
