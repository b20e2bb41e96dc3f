"""Tables of numbers as people have them: delimited text, ARFF, Parquet; clocks, units of time, names of columns."""
