"""The computer and its visitors: what it allows, whose a run is, whether all is well."""
