"""Read WebSocket streams: split bytes into frames, join frames into messages, inflate messages. Opens no socket."""
