"""Kinds of figures, a file each."""
