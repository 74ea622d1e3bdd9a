from reiterate.engine.quarantine import Quarantine


def test_absence_doubles_and_a_success_ends_it():
    quarantine = Quarantine()
    tried = []
    for index in range(40):
        if not quarantine.holds("m", index):
            tried.append(index)
            quarantine.report("m", index, broke_down=True)
    assert tried == [0, 2, 6, 14, 30]
    quarantine.report("m", 62, broke_down=False)
    quarantine.report("m", 63, broke_down=True)
    assert quarantine.holds("m", 64)
    assert not quarantine.holds("m", 65)


def test_absence_is_bounded():
    quarantine = Quarantine()
    for index in range(100):
        quarantine.report("m", index, broke_down=True)
    assert not quarantine.holds("m", 99 + 1024)
