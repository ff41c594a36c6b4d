"""Drive a real charge point through cases of the specification, and judge each of them.

`case` defines a case, `stage` is what a case uses, `cases_16` and `cases_2x` hold the cases, `running` runs them.
"""
