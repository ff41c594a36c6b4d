"""Judge the control of distributed energy resources (DER)."""
