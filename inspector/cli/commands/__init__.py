"""The subcommands of `chargesentinel`, one in each module."""
