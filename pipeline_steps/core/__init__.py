"""Seeds, digests, run cards, resumable training, safe files and logging."""
