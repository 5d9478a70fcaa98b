"""The Huffman code of header compression (RFC 7541 §5.2 and Appendix B). It is canonical: its lengths define it."""

from __future__ import annotations

from functools import cache

# The length of each symbol's code in bits; 256 is the end of a string, which must not occur in it.
LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b080606060505"
    "050606060606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e060f050605"
    "06050606060507070606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817181816171817"
    "1717171516171617171816151416161717151716161815161717151516151716171714161616171616171a1a141316171619"
    "1a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c"
    "1b1b1b1b1b1a1e"
)
EOS = 256
# The results of a step: a complete symbol; a possible end of the string; an invalid code.
EMITS, ENDS, FAILS = 1, 2, 4


class Huffman:
    """Decodes four bits at a time, by tables: a row of 16 for each inner node of the code's tree."""

    __slots__ = ("_flags", "_next", "_symbols", "codes")

    def __init__(self) -> None:
        self.codes = _make_codes()
        self._next, self._symbols, self._flags = _make_steps(self.codes)

    def maybe_decode(self, data: bytes) -> bytes | None:
        """Return the text of an encoded string; None if it is malformed."""
        text = bytearray()
        following, symbols, flags = self._next, self._symbols, self._flags
        state = 0
        flag = ENDS
        for byte in data:
            step = state * 16 + (byte >> 4)
            flag = flags[step]
            if flag & FAILS:
                return None
            if flag & EMITS:
                text.append(symbols[step])
            step = following[step] * 16 + (byte & 15)
            flag = flags[step]
            if flag & FAILS:
                return None
            if flag & EMITS:
                text.append(symbols[step])
            state = following[step]
        return bytes(text) if flag & ENDS else None

    def encode(self, text: bytes) -> bytes:
        """Return an encoded string, padded with the first bits of EOS."""
        bits = size = 0
        for byte in text:
            code, length = self.codes[byte]
            bits = bits << length | code
            size += length
        padding = -size % 8
        return (bits << padding | (1 << padding) - 1).to_bytes((size + padding) // 8, "big")


@cache
def make_huffman() -> Huffman:
    """Return the decoder; its tables are made once, for the first connection."""
    return Huffman()


def _make_codes() -> list[tuple[int, int]]:
    """Return the code of each symbol and its length."""
    lengths = list(LENGTHS)
    codes = [(0, 0)] * len(lengths)
    code = last = 0
    for symbol in sorted(range(len(lengths)), key=lambda symbol: (lengths[symbol], symbol)):
        code <<= lengths[symbol] - last
        last = lengths[symbol]
        codes[symbol] = (code, last)
        code += 1
    return codes


def _make_steps(codes: list[tuple[int, int]]) -> tuple[bytes, bytes, bytes]:
    """Return the tables of the next node, the symbol and the flags, for each node and four bits."""
    children = [0, 0]  # two for each node: a node, or a symbol as ~symbol; node 0 is the root
    depths = [0]
    all_ones = [True]
    for symbol, (code, length) in enumerate(codes):
        node = 0
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if not children[2 * node + bit]:
                children[2 * node + bit] = len(depths)
                children += (0, 0)
                depths.append(depths[node] + 1)
                all_ones.append(all_ones[node] and bit == 1)
            node = children[2 * node + bit]
        children[2 * node + (code & 1)] = ~symbol
    size = len(depths) * 16
    following, symbols, flags = bytearray(size), bytearray(size), bytearray(size)
    end = ~EOS
    for start in range(len(depths)):
        for nibble in range(16):
            node = start
            step = start * 16 + nibble
            for place in (3, 2, 1, 0):
                node = children[2 * node + (nibble >> place & 1)]
                if node == end:
                    flags[step] = FAILS
                    node = 0
                elif node < 0:
                    symbols[step] = ~node
                    flags[step] |= EMITS
                    node = 0
            following[step] = node
            # §5.2: the padding is less than a byte of the first bits of EOS, which are ones.
            if all_ones[node] and depths[node] < 8:
                flags[step] |= ENDS
    return bytes(following), bytes(symbols), bytes(flags)
