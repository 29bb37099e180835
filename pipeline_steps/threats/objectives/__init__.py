"""What an attack maximises, a file each."""
