"""The command lines `hwsim` and `dcz`: parsing and printing, nothing else."""
