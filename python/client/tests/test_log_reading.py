import pytest
from science_platform import ProblemError, UnreachableError
from science_platform.log_reading import Lines, LogReading
from science_platform.steps import Answer

AWAY = UnreachableError("https://h", "refused")


def test_a_server_that_sends_the_whole_log_again_is_read_from_the_position_on() -> None:
    reading = LogReading(0)
    reading.begin(Answer(200, {}))
    assert reading.take(b"abc") == b"abc"
    reading.begin(Answer(200, {}))
    assert [reading.take(b"ab"), reading.take(b"cde")] == [b"", b"de"]
    reading.begin(Answer(206, {}))
    assert reading.take(b"f") == b"f"
    assert reading.position == 6


def test_a_first_request_that_fails_is_an_error_at_once() -> None:
    with pytest.raises(UnreachableError):
        LogReading(0).fail(AWAY, 0)


def test_a_lost_server_is_waited_for_during_five_minutes_since_it_answered_last() -> None:
    reading = LogReading(0)
    reading.begin(None)
    reading.fail(AWAY, 100)
    reading.fail(AWAY, 399)
    reading.begin(None)
    reading.fail(AWAY, 1000)
    reading.fail(AWAY, 1299)
    with pytest.raises(UnreachableError):
        reading.fail(AWAY, 1301)


def test_a_refusal_ends_the_reading() -> None:
    reading = LogReading(0)
    reading.begin(None)
    with pytest.raises(ProblemError):
        reading.fail(ProblemError("forbidden", 403, "no"), 0)


def test_pauses_grow_until_bytes_come() -> None:
    reading = LogReading(0)
    reading.begin(Answer(206, {}))
    assert [reading.pause() for _ in range(6)] == [0.25, 0.5, 1, 2, 4, 5]
    reading.take(b"x")
    assert reading.pause() == 0.25


def test_lines_are_whole_also_where_pieces_divide_a_character() -> None:
    lines = Lines()
    pieces = ["naïve\nzwei".encode()[:3], "naïve\nzwei".encode()[3:], b"\n\xff end"]
    assert [[*lines.feed(piece)] for piece in pieces] == [[], ["naïve"], ["zwei"]]
    assert [*lines.end()] == ["\ufffd end"]
