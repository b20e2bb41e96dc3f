"""Estimators from sums per person: intervals, correction for selection, repeats, raters, pairs, baselines."""
