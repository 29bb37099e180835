"""Families of edits, a file each."""
