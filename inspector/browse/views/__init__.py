"""The pages as data: each view turns a connection and a request into a dict, the content of the page and its JSON.

Times are ISO 8601 in UTC. Nanoseconds are strings, because many JSON readers lose digits of numbers above 2^53.
"""
