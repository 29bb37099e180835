"""What a defense does to images before it answers, a file each."""
