"""Two lectures as slides: the figure of a study, its question, what it found, and notes."""
