"""The chip file and the power cap."""
