"""What all pages draw with: a moment of a run, cached files, answers of workers, figures."""
