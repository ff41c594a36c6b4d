"""The pages as data: a connection and what was asked in, a dict out that is both the page's content and its JSON.

Times are given as ISO 8601 in UTC (`...`), nanoseconds as strings (they exceed what JSON readers keep exactly).
"""
