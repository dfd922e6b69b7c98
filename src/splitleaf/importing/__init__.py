"""A Keras file -> a served artifact. The only place that knows Keras."""
