"""Stage 1: bytes of a stranger -> a checked image -> the pixels a version asks for."""
