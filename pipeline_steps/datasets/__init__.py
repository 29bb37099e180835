"""Data sets: fetched, verified, and decoded into one canonical form."""
