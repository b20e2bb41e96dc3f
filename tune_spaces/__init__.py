"""The methods and their grids: data only, one file per method; the file's name is the value of --method."""
