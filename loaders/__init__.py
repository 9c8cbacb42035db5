"""Files in, models out: what a file is, whether it fits, and loading it through the host."""
