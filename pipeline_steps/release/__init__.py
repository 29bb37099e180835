"""Releases: published with DVC, pulled, loaded from other projects, and explained."""
