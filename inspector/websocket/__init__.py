"""WebSocket as bytes: frames split from a stream, messages assembled, permessage-deflate inflated; opens no socket."""
