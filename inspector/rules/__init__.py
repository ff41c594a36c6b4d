"""Judge frames, missing answers and handshakes by the rules of OCPP. Does no I/O and reads no clock."""
