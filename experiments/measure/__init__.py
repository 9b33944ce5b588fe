"""Measure a board: what runs on it, what is read from it, and the chip keys that follow."""
