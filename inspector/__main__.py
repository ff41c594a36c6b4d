"""`python -m inspector` is the `chargesentinel` command."""

from inspector.cli import main

main()
