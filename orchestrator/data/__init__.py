"""From a corpus to what training takes: folds, series per person, clients of a federation, raters."""
