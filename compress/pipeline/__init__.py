"""From a recipe to a compressed file."""
