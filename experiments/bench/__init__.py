"""Measurements of speed and size, also against peers."""
