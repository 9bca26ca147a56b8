"""The drawings that every family uses, and the instruments that a model has for nothing: by what it can do."""
