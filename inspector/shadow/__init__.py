"""Mirror the CALLs of a charge point to a second CSMS, its shadow, and compare how both CSMSs answer.

The charge point never notices: only its own CSMS, the primary, answers it. `mirror.py` decides what a shadow gets, with
the ids that the shadow has made; it opens no socket. `proxy/shadows/` connects to shadows and records their sessions.
`pairing.py` reads a recording, `agreement.py` compares, and `report.py` has the result.
"""
