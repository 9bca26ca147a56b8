"""What the pages of comparison and reproduction draw."""
