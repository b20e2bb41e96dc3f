"""The search: from a prepared launch to results, with Ray Tune. Ray is used only here and in fed/executors/."""
