"""What is known of a charge point, learned from its frames; judges nothing."""
