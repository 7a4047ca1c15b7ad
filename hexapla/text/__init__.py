"""Text by itself: language codes, cleaning, reading files line by line, words."""
