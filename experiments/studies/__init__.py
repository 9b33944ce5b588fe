"""The studies, one module each, and what runs and checks them."""
