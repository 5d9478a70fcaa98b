"""The parts of middleware: edits of shared fields, deferred responses, and health probes."""

from concurrent.futures import Future

import pytest

from fastfile.errors import HTTPError
from fastfile.http.field_changes import NO_CHANGES
from fastfile.message import Deferred, PartialHead, RequestHead, Response, ResponseHead
from fastfile.middleware.health import Health
from fastfile.responder import FieldEdit, Responder, has_field, with_fields

FIELDS = ((b"Content-Type", b"text/plain"), (b"ETag", b'"x"'))
ADDED = (b"X-Added", b"1")


def test_further_fields_make_another_response_with_the_same_body() -> None:
    shared = Response(ResponseHead(200, FIELDS), (b"body",), 4, user=b"ann")
    response = with_fields(shared, (ADDED,))
    assert response.fields == (*FIELDS, ADDED)
    assert shared.fields == FIELDS
    assert (response.parts, response.body_size, response.user) == ((b"body",), 4, b"ann")


def test_an_edit_is_made_once_for_each_shared_head() -> None:
    edits = []

    def edit(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
        edits.append(fields)
        return (*fields, ADDED)

    field_edit = FieldEdit(edit)
    head = ResponseHead(200, FIELDS)
    heads = {field_edit.apply(Response(head), user).head for user in (None, b"ann", b"bob")}
    assert len(heads) == len(edits) == 1
    base = ResponseHead(206, FIELDS)
    ranges = [field_edit.apply(Response(PartialHead(base, start, start + 10, 100)), None) for start in (0, 10)]
    assert len(edits) == 2
    content_ranges = [b"bytes 0-9/100", b"bytes 10-19/100"]
    for response, content_range in zip(ranges, content_ranges, strict=True):
        assert response.fields == (*FIELDS, ADDED, (b"Content-Range", content_range), (b"Content-Length", b"10"))


def test_a_field_is_found_whatever_its_case() -> None:
    assert has_field(FIELDS, b"etag")
    assert not has_field(FIELDS, b"vary")


def done(value: object) -> Future[object]:
    future: Future[object] = Future()
    future.set_result(value)
    return future


def respond(status: int) -> Response:
    return Response(ResponseHead(status, ()))


def test_a_change_is_applied_to_what_a_deferred_response_leads_to() -> None:
    inner = Deferred(lambda: None, lambda _: respond(200))
    outer = Deferred(lambda: None, lambda _: inner)
    step = outer.map(lambda response: with_fields(response, (ADDED,))).finish(done(None))
    assert isinstance(step, Deferred)
    last = step.finish(done(None))
    assert isinstance(last, Response)
    assert last.fields == (ADDED,)


def test_an_exception_on_the_way_becomes_a_response_that_is_changed_too() -> None:
    def fail(_: Future[object]) -> Response:
        raise FileNotFoundError(2, "missing")

    deferred = Deferred(lambda: None, fail)
    with pytest.raises(FileNotFoundError):
        deferred.map(lambda response: response).finish(done(None))
    found = deferred.map(lambda response: with_fields(response, (ADDED,)), lambda error: respond(404)).finish(
        done(None)
    )
    assert isinstance(found, Response)
    assert (found.status, found.fields) == (404, (ADDED,))


class Files(Responder):
    def respond(self, head: RequestHead) -> Response:
        return respond(404)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return respond(error.status)


PROBES = {
    "the path": (b"/up", b"GET", 200),
    "with a query": (b"/up?x=1", b"GET", 200),
    "encoded": (b"/%75p", b"GET", 200),
    "by dot segments": (b"/x/../up", b"GET", 200),
    "in absolute form": (b"http://any.example/up", b"GET", 200),
    "by HEAD": (b"/up", b"HEAD", 200),
    "by another method": (b"/up", b"POST", 405),
    "by no method": (b"/up", b"BREW", 501),
    "by OPTIONS": (b"/up", b"OPTIONS", 204),
    "beneath it": (b"/up/x", b"GET", 404),
    "another path": (b"/index.html", b"GET", 404),
    "a malformed target": (b"/%zz", b"GET", 404),
}


@pytest.mark.parametrize(("target", "method", "status"), PROBES.values(), ids=PROBES)
def test_a_probe_gets_ok_and_503_after_the_stop(target: bytes, method: bytes, status: int) -> None:
    health = Health(Files(), "/up", NO_CHANGES)
    head = RequestHead(method, target, 1, 0)
    response = health.respond(head)
    assert isinstance(response, Response)
    assert response.status == status
    assert response.parts == ((b"ok\n",) if status == 200 and method == b"GET" else ())
    health.stop()
    response = health.respond(head)
    assert isinstance(response, Response)
    assert response.status == (503 if status == 200 else status)
