"""Networks in numpy: operators, training, data."""
