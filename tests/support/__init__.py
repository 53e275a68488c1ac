"""Factories and peers that tests share."""
