"""Stage 4: a batch of pixels -> calibrated probabilities."""
