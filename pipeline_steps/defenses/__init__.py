"""Defenses: architectures, recipes and the loop that trains them."""
