"""The charge points' side of the CSMS: sockets, handshakes, frames, and the order of CALLs."""
