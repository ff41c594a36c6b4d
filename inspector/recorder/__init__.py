"""Record frames: pair, judge, redact and store the records of proxies, imports and replays."""
