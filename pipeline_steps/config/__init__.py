"""What to compute: the YAML that a researcher edits, checked and resolved into specs."""
