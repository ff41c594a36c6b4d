"""The operator's side of the CSMS: the HTTP API, its description and the state that the page shows."""
