import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from tokaut.local_stack.ussd_phone import PhoneScreen, UnexpectedAnswer, UssdPhone

HOME = PhoneScreen("In danger? Call police 111.\n1 Report\n3 My report\n00 Leave", True, 1.0)


@pytest.mark.parametrize(("label", "key"), [("Report", "1"), ("My report", "3"), ("Leave", "00")])
def test_a_choice_is_found_by_its_label(label: str, key: str) -> None:
    assert HOME.key_of(label) == key


@pytest.mark.parametrize("label", ["report", "111.", "Rep", ""])
def test_a_choice_that_is_not_there_is_an_error_that_shows_the_screen(label: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="My report"):
        HOME.key_of(label)


class Web(HTTPServer):
    """Return these answers in order, and record the requests."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedRequestHandler)
        self.answers = iter(answers)
        self.asked: list[dict[str, list[str]]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,)).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class ScriptedRequestHandler(BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(parse_qs(form, keep_blank_values=True))
        status, body = next(self.server.answers)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Write no log."""


def caller_of(web: Web) -> UssdPhone:
    return UssdPhone(f"http://127.0.0.1:{web.server_port}", "a-token", phone="+6785550101", dials="*111*163#")


@pytest.mark.slow
def test_all_replies_of_a_session_are_sent_each_time_with_stars_between() -> None:
    with Web((200, "CON one"), (200, "CON two"), (200, "END three"), (200, "CON one")) as web:
        caller = caller_of(web)
        screens = [caller.dial(), caller.reply("1"), caller.reply("at home * at school"), caller.dial()]
        caller.close()
    assert [(s.text, s.expects_reply) for s in screens] == [
        ("one", True),
        ("two", True),
        ("three", False),
        ("one", True),
    ]
    assert [form["text"][0] for form in web.asked] == ["", "1", "1*at home * at school", ""]
    sessions = [form["sessionId"][0] for form in web.asked]
    assert sessions[0] == sessions[2] != sessions[3]
    assert {form["phoneNumber"][0] for form in web.asked} == {"+6785550101"}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [(500, "oops"), (404, "CON one"), (200, "<html>"), (200, "")])
def test_what_is_no_screen_is_an_error(answer: tuple[int, str]) -> None:
    with Web(answer) as web:
        caller = caller_of(web)
        with pytest.raises(UnexpectedAnswer):
            caller.dial()
        caller.close()
