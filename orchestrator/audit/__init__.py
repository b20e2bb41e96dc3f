"""What privacy costs, measured: attacks on a data set, a run's model or its federation, each with an interval."""
