"""What tries to break the project: fuzzing, injected faults, mutations. Run by the Makefile."""
