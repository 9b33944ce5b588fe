"""Simulate deep-learning accelerators that execute real compressed networks."""
