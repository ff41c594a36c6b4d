"""What the frames of a charge point reveal about its state; judges nothing."""
