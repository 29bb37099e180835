"""Evaluation: a trained defense under a threat, image by image."""
