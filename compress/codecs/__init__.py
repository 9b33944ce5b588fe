"""Lossless codecs of weight streams: gaps, canonical Huffman, context mixing."""
