"""Rules about meter values: single ones, registers over time, energy beside power, samples that do not come."""
