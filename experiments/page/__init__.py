"""The page: an explorer of simulated points and a tour of seven lessons, as files that open from disk."""
