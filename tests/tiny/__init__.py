"""Tiny model files of the true architectures, for the tests and the demo."""
