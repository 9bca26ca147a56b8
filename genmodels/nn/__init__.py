"""Networks: layers, the two players of an adversarial model, U-Nets."""
