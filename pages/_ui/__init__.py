"""What the pages share: forms, live panels, theory, and the browser components."""
