"""fastfile.records.NamedTuple against typing.NamedTuple, whose part it plays at run time."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from typing import Generic, TypeVar

import pytest

from fastfile.records import NamedTuple

T = TypeVar("T")


class Point(NamedTuple):
    """A point, with a name."""

    x: int
    y: int = 2
    name: str = "here"

    @property
    def total(self) -> int:
        return self.x + self.y


class Model(typing.NamedTuple):
    x: int
    y: int = 2
    name: str = "here"


class Box(NamedTuple, Generic[T]):
    content: T


def test_it_is_a_tuple_with_names() -> None:
    point = Point(1, name="there")
    assert point == (1, 2, "there")
    assert hash(point) == hash((1, 2, "there"))
    assert (point.x, point.y, point.name, point.total) == (1, 2, "there", 3)
    assert isinstance(point, tuple)
    assert Point.__doc__ == "A point, with a name."
    assert repr(point) == "Point(x=1, y=2, name='there')"


@pytest.mark.parametrize("name", ["_fields", "_field_defaults", "__match_args__", "__slots__"])
def test_its_attributes_are_those_of_typing(name: str) -> None:
    assert getattr(Point, name) == getattr(Model, name)


def test_its_constructor_names_the_fields() -> None:
    assert str(inspect.signature(Point)) == "(x, y=2, name='here')"
    with pytest.raises(TypeError, match=r"Point\.__new__\(\) missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Point(1, z=2)  # type: ignore[call-arg]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]


def test_another_one_is_made_with_some_fields_replaced() -> None:
    assert Point(1)._replace(y=5) == Point(1, 5)
    assert Point._make([1, 2, "a"]) == Point(1, 2, "a")
    assert Point(1)._asdict() == {"x": 1, "y": 2, "name": "here"}
    with pytest.raises(TypeError, match="Point has no field z"):
        Point(1)._replace(z=3)  # type: ignore[call-arg]


def test_it_is_copied_and_pickled() -> None:
    for made in (copy.copy(Point(1)), copy.deepcopy(Point(1)), pickle.loads(pickle.dumps(Point(1)))):
        assert made == Point(1)
        assert type(made) is Point


def test_it_may_be_generic() -> None:
    box: Box[int] = Box(3)
    assert box.content == 3
    assert Box[int](3) == box


def test_it_is_matched_by_position() -> None:
    match Point(1, 2):
        case Point(x, _, name):
            assert (x, name) == (1, "here")


def test_classes_with_as_many_fields_share_no_names() -> None:
    class Other(NamedTuple):
        a: int
        b: int
        c: int = 7

    assert Other(1, b=2) == (1, 2, 7)
    assert Other(1, 2).c == 7
    assert Point(1).name == "here"
    assert not hasattr(Other, "x")
