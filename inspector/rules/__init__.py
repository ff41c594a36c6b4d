"""Judging: what a frame, an answer, a silence or a handshake breaks; knows no database, socket or clock."""
