"""The example's architectures."""
