"""The reference CSMS: answers charge points of OCPP 1.6, 2.0.1 and 2.1, and knows nothing of the inspector.

- `central_system` listens and refuses what is not OCPP;
- `connection` is one charge point's WebSocket: CALLs in, answers out, one CALL of ours at a time;
- `v16`, `v201` and `v21` hold what each version answers;
- `store` is what the CSMS remembers, in SQLite.
"""
