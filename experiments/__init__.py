"""Experiments, command lines and figures: what puts `hwsim` and `compress` together."""
