"""Methods for sparse linear systems A x = b: one file a family, registered in :mod:`reiterate.linear.portfolio`."""
