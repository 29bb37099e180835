"""The example's perturbations."""
