"""A report for people: as a page of its own, and the plots and numbers that it is made of."""

from splitleaf.web.report.page import render_report

__all__ = ["render_report"]
