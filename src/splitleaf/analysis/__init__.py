"""Stage 6: outcomes -> report. Pure: frames, sections and verdicts, reckoned by `splitleaf.statistics`."""
