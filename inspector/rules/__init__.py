"""Judge frames, answers, silences and handshakes by the rules of OCPP. Knows no database, socket or clock."""
