"""Progress of long commands: bars on a terminal, plain lines elsewhere."""

from anyrank.cli.progress import PlainProgress, progress


def test_a_line_comes_when_it_is_time_and_says_how_long_it_will_take(capsys):
    now = [0.0]
    bar = PlainProgress("distilling", 400, "queries", every=30, clock=lambda: now[0])
    for step in range(1, 9):
        now[0] = 10.0 * step
        bar.update(16)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "distilling: 48 of 400 queries in 30 s, about 3 min 40 s left",
        "distilling: 96 of 400 queries in 1 min 0 s, about 3 min 10 s left",
    ]
    assert bar.n == 128


def test_a_total_that_is_not_known_is_not_stated(capsys):
    now = [0.0]
    bar = PlainProgress("indexing", None, "documents", every=30, clock=lambda: now[0])
    now[0] = 4000.0
    bar.update(12_345)
    assert capsys.readouterr().err == "indexing: 12,345 documents in 1 h 6 min\n"


def test_a_short_job_off_a_terminal_writes_nothing(capsys):
    with progress("indexing", 3, "documents") as bar:
        bar.update(3)
    assert bar.n == 3
    assert capsys.readouterr() == ("", "")
