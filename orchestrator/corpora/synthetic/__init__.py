"""The synthetic corpus: a facial model, its recordings and its drawn faces."""
