"""The first generation's endpoints: orders to many recipients, and reading them (spec 05)."""
