"""A run taken home: its checkpoint, model card, code, films, and the files of diffusers."""
