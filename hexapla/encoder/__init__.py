"""A sentence encoder: loading and saving it, its card, whitening, accuracy on held-out rows."""
