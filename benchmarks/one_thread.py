"""Imported before all else: holds every library to one thread. They read these variables when they are loaded."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("REITERATE_BACKGROUND", "0")  # whatever is compiled meanwhile would be timed, too
