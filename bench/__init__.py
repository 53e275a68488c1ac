"""Measures the service on this machine, each figure beside that of a bare tool from the same run: `python -m bench`."""
