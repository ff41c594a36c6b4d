"""The connections of the CSMS to charge points: sockets, handshakes, frames, and the order of CALLs."""
