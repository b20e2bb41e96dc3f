"""Where a federation's clients run: in this process, or in Ray actors."""
