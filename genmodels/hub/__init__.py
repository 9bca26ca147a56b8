"""The Hugging Face Hub: checkpoints from it and to it, and trainings on its computers."""
