"""The control port of a running proxy: an HTTP API and a page for rules, held frames and frames by hand."""
