"""The methods and their grids: data only, one file a method; the file's name is the value of --method."""
