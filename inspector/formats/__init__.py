"""Recordings in and out: from and to the files other tools write and read; knows no judging and no storage."""
