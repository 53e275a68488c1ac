"""The providers that carry messages, behind one small protocol."""
