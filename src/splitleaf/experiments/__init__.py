"""Stage 2: a unit -> the version that answers it. Pure."""
