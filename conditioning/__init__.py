"""Pictures, sound and poses in, conditioning out."""
