"""What an action costs: tables, memories, nodes, and the registry of components."""
