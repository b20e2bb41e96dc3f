"""The report's tables: the paper's beside ours, and tables that the paper does not have."""
