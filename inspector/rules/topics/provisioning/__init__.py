"""Rules about booting, resetting and configuring a charge point."""
