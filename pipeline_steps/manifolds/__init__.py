"""Manifolds: data sets projected onto a generator."""
