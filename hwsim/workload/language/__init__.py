"""Language models: from a configuration to the layers of a prefill, a decode step or a forward pass."""
