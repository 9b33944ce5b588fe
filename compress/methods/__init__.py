"""What shrinks a network: pruning, sharing, quantization, repair."""
