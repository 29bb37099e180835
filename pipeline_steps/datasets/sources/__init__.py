"""Where data sets come from, a file each."""
