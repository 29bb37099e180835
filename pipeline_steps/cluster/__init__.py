"""The pipeline on a SLURM cluster: started again and again until it is done."""
