"""NamedTuple without compiling: the class of typing, for type checkers and for readers; another one at run time.

typing.NamedTuple compiles a constructor for each class, and the annotation of each field. That is a third of a
millisecond a class, and a server imports 70 of them. Here all classes with as many fields share what was compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple
    from functools import cache
    from types import FunctionType

    @cache
    def _model(size):
        """Return the namedtuple whose constructor and getters all classes with ``size`` fields have."""
        return namedtuple("Model", [f"field_{index}" for index in range(size)])

    class _RecordType(type):
        """Makes a class from annotated fields, with the attributes that typing.NamedTuple gives to it."""

        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            if fields:
                model = _model(len(fields))
                body.update(zip(fields, map(vars(model).get, model._fields), strict=True))
                code = model.__new__.__code__.replace(co_varnames=("_cls", *fields), co_name="__new__")
                body["__new__"] = FunctionType(
                    code.replace(co_qualname=f"{name}.__new__"),
                    model.__new__.__globals__,
                    "__new__",
                    tuple(defaults.values()),
                )
            own = {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(cls, name, bases, body | own)

    class NamedTuple(tuple, metaclass=_RecordType):
        """A tuple whose fields have names."""

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changes):
            replaced = type(self)(*map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"{type(self).__name__} has no field {', '.join(changes)}")
            return replaced

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            values = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self):
            return tuple(self)
