"""What is to be computed: layers, how their weights are stored, networks."""
