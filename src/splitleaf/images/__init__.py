"""Stage 1: bytes of a stranger -> a checked picture -> the pixels a version asks for."""
