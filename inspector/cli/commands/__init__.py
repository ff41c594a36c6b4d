"""The subcommands of `chargesentinel`, a module each."""
