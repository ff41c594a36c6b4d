"""Rules about the control of distributed energy resources (DER)."""
