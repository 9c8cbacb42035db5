"""Pixels out: colour transfer, video writing, metadata, previews."""
