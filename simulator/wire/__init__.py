"""The connection of a charge point to its CSMS: dialling, frames, the queue of transaction messages."""
