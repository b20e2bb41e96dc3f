"""Was this person in the training data? Reference models, scores, rates."""
