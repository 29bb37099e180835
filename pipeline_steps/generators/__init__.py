"""Generators: models with an `encode` and a `decode`, and how they are trained."""
