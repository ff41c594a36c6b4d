"""OCPP-J itself: parse raw text and pair it into sessions and exchanges. Knows no clock, socket, file or log."""
