"""Outcomes -> report. Pure statistics."""
