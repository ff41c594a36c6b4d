"""The reference CSMS: it answers charge points of OCPP 1.6, 2.0.1 and 2.1. It does not import the package `inspector`.

- `central_system` listens for charge points and refuses other requests;
- `connection` is one charge point's WebSocket: it answers CALLs, and sends the CSMS's own, one at a time;
- `v16`, `v201` and `v21` have the answers of each version;
- `context` has the objects that all parts share: settings, store, CA, misbehaviours, message log;
- `store` keeps the state in SQLite;
- `web`, `api` and `overview` serve the operator's page.
"""
