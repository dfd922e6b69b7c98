"""What operators see of a running system: metrics for Prometheus and traces for OpenTelemetry.

Nothing here is imported unless it is switched on, and nothing that serves knows it: each door calls a plain function
that it was given. Metrics name versions, so they have a listener of their own that the public never reaches.
"""
