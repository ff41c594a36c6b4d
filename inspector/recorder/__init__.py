"""The one door for frames: queue -> session -> judge -> redaction -> writer, wherever the frames come from."""
