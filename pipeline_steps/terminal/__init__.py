"""What a run shows: its jobs in words, how far it is, and what came of it."""
