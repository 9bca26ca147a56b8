"""The form of a model, drawn from the declarations; its values are in the URL."""
