"""The speed of each loop against its peers and its limit, side by side in one run."""

from genmodels.host.threads import sleep_while_waiting

sleep_while_waiting()  # before any benchmark imports torch
