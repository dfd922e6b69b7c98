"""Training of the models in this repository, with a separate environment."""
