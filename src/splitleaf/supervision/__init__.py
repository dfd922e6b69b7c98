"""Processes: started, watched, restarted and stopped."""
