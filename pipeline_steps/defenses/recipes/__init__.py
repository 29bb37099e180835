"""Training recipes, a file each."""
