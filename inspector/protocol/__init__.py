"""OCPP-J itself: from raw text to sessions with their exchanges; knows no clock, socket, file or log."""
