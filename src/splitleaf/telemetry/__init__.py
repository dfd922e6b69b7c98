"""Observability of a running system: logs, metrics for Prometheus and traces for OpenTelemetry.

The libraries of metrics and traces are imported only if they are enabled. The code that serves requests does not know
this package: it calls functions that it was given. Metrics name versions, so they have their own listener, which the
public cannot reach.
"""
