"""A search's trials scored, selected and summarised: result, summary, leaderboard, predictions, model card."""
