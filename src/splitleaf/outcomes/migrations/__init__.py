"""The way of the schema from release to release."""
