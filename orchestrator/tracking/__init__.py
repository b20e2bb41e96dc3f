"""All use of MLflow: writing a search into a store, reading it back, the store's address and its web page."""
