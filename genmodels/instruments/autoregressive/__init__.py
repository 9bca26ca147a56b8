"""What a page shows of an autoregressive model: its way through an image, and what each pixel costs."""
