"""Stage 6: outcomes -> report. Pure: frames, sections and verdicts, computed by `splitleaf.statistics`."""
