"""Judge meter values: single values, registers over time, energy compared with power, missing samples."""
