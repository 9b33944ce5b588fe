"""Scripts that run other simulators, each by the Python of an environment of their own."""
