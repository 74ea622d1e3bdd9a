from hypothesis import HealthCheck, settings

# Compiling on first use makes the first example slow, which is no fault of the example.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
