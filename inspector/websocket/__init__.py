"""Read WebSocket streams: split bytes into frames, join frames into messages, inflate messages. Does no I/O."""
