"""Language models executed: text in and out, sessions with a cache, perplexity."""
