"""What scores are worth: intervals, paired comparisons, correction for selection, raters, baselines."""
