"""Delivery reports: stored the moment they arrive, matched when their reference is known."""
