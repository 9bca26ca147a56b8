"""What can be explored of a trained model: one file a family."""
