"""The page: a story, an explorer of simulated points and seven lessons, as files that open from disk."""
