"""Several models of one shape trained as one: weights with a leading axis of models."""
