"""Stage 1: bytes of an untrusted client -> a checked image -> the pixels a version asks for."""
