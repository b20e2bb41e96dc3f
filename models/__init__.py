"""Networks, windows, training of the folds in lock-step, and the concordance correlation coefficient."""
