"""From videos to tables of features: the tools that are driven, their tables, chunks and model files."""
