"""Many runs: the sweep file, its points, how they run and where the rows are kept."""
