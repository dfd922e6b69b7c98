"""Training of the models in this repository. Apart from serving, with an environment of its own."""
