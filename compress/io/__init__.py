"""Files read and written as a whole."""
