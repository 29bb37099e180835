"""Networks, a file each."""
