"""Proactive negotiation (RFC 9110 §12.5): rank codings and media types by a client's preference.

The caller decides what to do when nothing is acceptable. Malformed elements are skipped, and a value longer than
VALUE_LIMIT is ignored.
"""

from __future__ import annotations

from typing import Literal

from fastfile.http.fields import is_token, maybe_weighted, split_list

_IDENTITY_ONLY = (b"identity",)
# Longer values are ignored: an element costs 1.5 µs, and a head has room for 16 000 of them. Browsers send 250 bytes of
# Accept and 25 of Accept-Encoding.
VALUE_LIMIT = 1024


def preferred_codings(accept_encoding: bytes | None, available: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the acceptable available codings and ``identity``, best first; never empty (§12.5.3).

    Ties go by the order of ``available`` (lower-case names, without ``identity``), then identity. Without the field any
    coding is acceptable, but such a client gets the identity, because it may support nothing else. If nothing is
    acceptable, the result is the identity too: §12.5.3 allows a response without a coding.
    """
    weights = _coding_weights(accept_encoding) if accept_encoding and len(accept_encoding) <= VALUE_LIMIT else {}
    if not weights:
        return _IDENTITY_ONLY
    others = weights.get(b"*", 0)  # "*" is every coding that is not listed
    ranked = [(weights.get(coding, others), coding) for coding in available]
    ranked = [(weight, coding) for weight, coding in ranked if weight]
    # §12.5.3: identity is acceptable unless "identity;q=0", or "*;q=0" without it; unlisted it is the last resort.
    identity = weights.get(b"identity", weights.get(b"*"))
    if identity:
        ranked.append((identity, b"identity"))
    ranked.sort(key=lambda entry: -entry[0])
    if identity is None or not ranked:
        ranked.append((0, b"identity"))
    return tuple([coding for _, coding in ranked])


def _coding_weights(accept_encoding: bytes) -> dict[bytes, int]:
    weights: dict[bytes, int] = {}
    for element in split_list(accept_encoding):
        weighted = maybe_weighted(element)
        if weighted is None or weighted[1] or not is_token(weighted[0]):  # codings have no parameters
            continue
        coding = weighted[0].lower()
        if coding == b"x-gzip":  # §8.4.1.3: the same coding
            coding = b"gzip"
        # A coding that is listed twice gets the lower weight, so that a refusal always counts.
        weights[coding] = min(weighted[2], weights.get(coding, 1000))
    return weights


def preferred_type(accept: bytes | None, offered: tuple[bytes, ...]) -> bytes | None:
    """Return the best of the offered media types (in lower case), None if none is acceptable.

    The weight of a type is that of the most specific matching range; ties go by the order of ``offered`` (§12.5.1).
    Without the field, or with nothing valid in it, everything is acceptable.
    """
    ranges = _media_ranges(accept) if accept and len(accept) <= VALUE_LIMIT else []
    if not ranges:
        return offered[0]
    best, best_weight = None, 0
    for media_type in offered:
        weight = _type_weight(media_type, ranges)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best


def likes_best(accept: bytes | None, media_type: bytes) -> Literal["named", "not named", "no"]:
    """Tell whether no other type is preferred to this one (in lower case), and whether it is named explicitly."""
    ranges = _media_ranges(accept) if accept and len(accept) <= VALUE_LIMIT else []
    if not ranges:
        return "not named"
    weight = _type_weight(media_type, ranges)
    if not weight or weight < max(weight for _, _, weight in ranges):
        return "no"
    return "named" if any(media_range == media_type for media_range, _, _ in ranges) else "not named"


def _media_ranges(accept: bytes) -> list[tuple[bytes, bool, int]]:
    """Return media-range, whether it has parameters, and weight of every valid element."""
    ranges = []
    for element in split_list(accept):
        weighted = maybe_weighted(element)
        if weighted is None:
            continue
        media_range, parameters, weight = weighted
        main, slash, sub = media_range.partition(b"/")
        if slash and is_token(main) and is_token(sub) and (main != b"*" or sub == b"*"):
            ranges.append((media_range.lower(), bool(parameters), weight))
    return ranges


def _type_weight(media_type: bytes, ranges: list[tuple[bytes, bool, int]]) -> int:
    """Return the weight of a type: 0 if nothing matches.

    A range with parameters, such as ``text/html;charset=utf-8``, counts as one without if there is no better match: the
    offered types have no versions that parameters could distinguish.
    """
    media_type = media_type.partition(b";")[0]
    main = media_type.partition(b"/")[0] + b"/*"
    best_specificity, best_weight = 0, 0
    for media_range, has_parameters, weight in ranges:
        if media_range == media_type:
            specificity = 5 if has_parameters else 6
        elif media_range == main:
            specificity = 3 if has_parameters else 4
        elif media_range == b"*/*":
            specificity = 1 if has_parameters else 2
        else:
            continue
        if specificity > best_specificity:  # listed twice: the first one wins
            best_specificity, best_weight = specificity, weight
    return best_weight
