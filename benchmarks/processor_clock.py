"""Makes everything in this process, solvers included, read processor time: what an idle machine's clock would show.

Import it before what it is to change. What decides by the clock then decides as it would on an idle machine.
"""

import time

time.perf_counter = time.process_time
