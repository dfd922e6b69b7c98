"""The parts of a report, a file each: frame and labels -> shapes of `analysis.report`."""
