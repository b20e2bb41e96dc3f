"""The search: from a launch to results, with Ray Tune; all of Ray but the clients of a federation."""
