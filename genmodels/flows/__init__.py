"""What normalizing flows are made of: maps that can be undone and that say by how much they stretch volume."""
