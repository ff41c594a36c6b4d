"""Answers are paired with their CALLs by sender and id, in bounded memory."""

from __future__ import annotations

import random

from inspector.protocol.correlation import ANSWERED_LIMIT, OPEN_LIMIT
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion

CP, CSMS = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS


class Conversation:
    """Feeds frames to a session, one second apart."""

    def __init__(self) -> None:
        self.session = Session(version=OcppVersion.V21)
        self.count = 0

    def says(self, direction: Direction, raw: str) -> Frame:
        self.count += 1
        now = self.count * 10**9
        return self.session.frame(self.count, now, now, direction, raw.encode())

    def calls(self, direction: Direction, message_id: str) -> Frame:
        return self.says(direction, f'[2,"{message_id}","DataTransfer",{{"vendorId":"a"}}]')

    def answers(self, direction: Direction, message_id: str) -> Frame:
        return self.says(direction, f'[3,"{message_id}",{{"status":"Accepted"}}]')


def test_an_answer_finds_its_call_and_takes_its_action() -> None:
    """The answer has the CALL's action, its request, and the latency."""
    talk = Conversation()
    call = talk.calls(CP, "1")
    answer = talk.answers(CSMS, "1")
    assert (answer.answer_status, answer.call, answer.action) == (AnswerStatus.PAIRED, call, "DataTransfer")
    assert (answer.latency_ns, answer.request) == (10**9, {"vendorId": "a"})


def test_the_two_sides_have_ids_of_their_own() -> None:
    """The same id in both directions belongs to two different exchanges."""
    talk = Conversation()
    ours, theirs = talk.calls(CP, "1"), talk.calls(CSMS, "1")
    assert talk.answers(CP, "1").call is theirs
    assert talk.answers(CSMS, "1").call is ours


def test_one_cannot_answer_oneself() -> None:
    """An answer in the direction of its CALL is an orphan, and the CALL stays open."""
    talk = Conversation()
    talk.calls(CP, "1")
    assert talk.answers(CP, "1").answer_status is AnswerStatus.ORPHAN
    assert list(talk.session.correlation.open_calls(CP)) == ["1"]


def test_a_second_answer_is_a_duplicate_and_has_no_latency() -> None:
    """A second answer still has the CALL and the action."""
    talk = Conversation()
    call = talk.calls(CP, "1")
    talk.answers(CSMS, "1")
    again = talk.answers(CSMS, "1")
    assert (again.answer_status, again.call, again.action, again.latency_ns) == (
        AnswerStatus.DUPLICATE,
        call,
        "DataTransfer",
        None,
    )


def test_a_reused_id_pairs_with_the_latest_call_first() -> None:
    """With equal ids, the first answer belongs to the latest CALL, the next answer to the CALL before."""
    talk = Conversation()
    first, second = talk.calls(CP, "1"), talk.calls(CP, "1")
    assert talk.answers(CSMS, "1").call is second
    assert talk.answers(CSMS, "1").call is first
    third = talk.calls(CP, "1")
    assert talk.answers(CSMS, "1").call is third


def test_an_error_and_a_malformed_answer_settle_their_call_too() -> None:
    """Any kind of answer with its id settles a CALL."""
    talk = Conversation()
    talk.calls(CP, "1")
    assert talk.says(CSMS, '[4,"1","InternalError","",{}]').answer_status is AnswerStatus.PAIRED
    call = talk.calls(CP, "2")
    assert talk.says(CSMS, '[3,"2"]').call is call
    assert not talk.session.correlation.open_calls(CP)


def test_a_result_error_belongs_to_the_call_of_its_own_sender() -> None:
    """CALLRESULTERROR comes from the sender of the CALL, who refuses the answer."""
    talk = Conversation()
    call = talk.calls(CP, "1")
    talk.answers(CSMS, "1")
    assert talk.says(CP, '[5,"1","FormatViolation","",{}]').call is call
    assert talk.says(CSMS, '[5,"1","FormatViolation","",{}]').call is None


def test_a_peer_that_never_answers_fills_no_memory() -> None:
    """Only the latest OPEN_LIMIT open CALLs are kept, and the session knows that it forgot some."""
    talk = Conversation()
    for number in range(OPEN_LIMIT + 10):
        assert talk.session.correlation.overrun is (number > OPEN_LIMIT)
        talk.calls(CP, str(number))
    waiting = talk.session.correlation.open_calls(CP)
    assert len(waiting) == OPEN_LIMIT
    assert next(iter(waiting)) == "10"


def test_answered_calls_are_forgotten_after_a_while() -> None:
    """The latest ANSWERED_LIMIT answered CALLs are kept, so that a duplicate differs from an orphan."""
    talk = Conversation()
    for number in range(ANSWERED_LIMIT + 1):
        talk.calls(CP, str(number))
        talk.answers(CSMS, str(number))
    standings = [talk.answers(CSMS, str(number)).answer_status for number in range(ANSWERED_LIMIT + 1)]
    forgotten = ANSWERED_LIMIT // 8
    assert standings == [AnswerStatus.ORPHAN] * forgotten + [AnswerStatus.DUPLICATE] * (ANSWERED_LIMIT + 1 - forgotten)


def test_a_call_that_is_let_go_of_uncovers_the_one_before_it_and_makes_no_duplicate() -> None:
    talk = Conversation()
    first, second, third = (talk.calls(CP, "1") for _ in range(3))
    talk.session.correlation.forget(third)
    talk.session.correlation.forget(first)
    assert talk.session.correlation.overrun
    assert talk.answers(CSMS, "1").call is second
    talk.session.correlation.forget(second)  # it has been answered, so it is remembered
    assert talk.answers(CSMS, "1").answer_status is AnswerStatus.DUPLICATE


def test_any_order_of_calls_and_answers_is_paired_as_a_plain_list_would() -> None:
    """On random traffic the pairing equals that of a simple search through all messages."""
    dice = random.Random(2026)
    for _ in range(50):
        talk = Conversation()
        open_calls: dict[tuple[Direction, str], list[Frame]] = {}
        done: dict[tuple[Direction, str], Frame] = {}
        for _ in range(100):
            direction, message_id = dice.choice((CP, CSMS)), str(dice.randrange(8))
            if dice.random() < 0.5:
                open_calls.setdefault((direction, message_id), []).append(talk.calls(direction, message_id))
                continue
            frame = talk.answers(direction, message_id)
            key = (direction.opposite, message_id)
            if open_calls.get(key):
                done[key] = open_calls[key].pop()
                assert (frame.answer_status, frame.call) == (AnswerStatus.PAIRED, done[key])
            else:
                assert (frame.answer_status, frame.call) == (
                    AnswerStatus.DUPLICATE if key in done else AnswerStatus.ORPHAN,
                    done.get(key),
                )
