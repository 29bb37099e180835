"""Threats: every attack as one ascent over a family of edits."""
