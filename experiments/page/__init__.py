"""The page: an explorer of simulated points and a tour of six lessons, as files that open from disk."""
