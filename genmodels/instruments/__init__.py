"""What a page shows of a trained model, as arrays that it draws and does not compute.

Here for every model that has a capability (:mod:`genmodels.models.capabilities`), in the folders for one family alone.
"""
