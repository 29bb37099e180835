"""Four papers on adversarial robustness, reproduced as one pipeline."""
