"""What a page shows of a trained model, as arrays: one file a family. A page draws them and computes nothing."""
