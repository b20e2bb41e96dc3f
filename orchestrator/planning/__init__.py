"""From a request to a plan on disk: protocol, grid, uids, estimates of cost, the data that it needs."""
