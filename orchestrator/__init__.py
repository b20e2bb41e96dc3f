"""Command line, corpora, folds, plans, Ray Tune, MLflow and reports."""
