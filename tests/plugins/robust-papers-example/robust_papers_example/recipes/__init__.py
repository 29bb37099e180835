"""The example's recipes."""
