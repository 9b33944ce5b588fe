"""The file that holds a compressed network: streams, records, container."""
