"""What the server does beside pages: health, preloading, the visitor's cookie."""
