"""How well priors reconstruct: DPS with several priors and maximum likelihood, side by side on the same targets."""
