"""A run by name: chips, networks and stages as users name them, and what is made of them."""
