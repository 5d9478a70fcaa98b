"""Password hashes: make, parse and verify them.

scrypt (RFC 7914) comes from the standard library, in the PHC form ``$scrypt$ln=14,r=8,p=5$SALT$DIGEST``; bcrypt needs
the package of that name. Weaker hashes are refused. Knows no HTTP and no files.
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

from fastfile.config.values import Kind, Unusable
from fastfile.errors import tell_missing
from fastfile.records import NamedTuple

# Of the equivalent costs in OWASP's cheat sheet, N=2^14, p=5 takes 16 MiB of memory, while N=2^17 takes 128 MiB.
LOG_N, BLOCK_SIZE, PARALLEL = 14, 8, 5
SALT_SIZE, DIGEST_SIZE = 16, 32
MAX_MEMORY = 160 * 1024 * 1024  # room for N=2^17, r=8, the largest in that list
MAX_WORK = 1 << 21  # N * r * p: more would occupy a thread for seconds
BCRYPT_PREFIXES = ("$2b$", "$2y$", "$2a$")
BCRYPT_SIZE = 72  # bytes of a password that bcrypt reads
_BCRYPT_DIGITS = set("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_MAKE_ONE = "make one with: fastfile hash-password"
_WEAK = {
    "$apr1$": "MD5",
    "$1$": "MD5",
    "{SHA}": "SHA-1",
    "{SSHA}": "SHA-1",
    "$5$": "SHA-256-crypt",
    "$6$": "SHA-512-crypt",
    "$2x$": "old, wrong bcrypt",
    "$argon2": "Argon2",
}


class Hash(NamedTuple):
    """A parsed hash. ``text`` is a whole bcrypt hash, and empty for scrypt."""

    log_n: int
    block_size: int
    parallel: int
    salt: bytes
    digest: bytes
    text: bytes = b""

    def make_decoy(self) -> Hash:
        """Return a hash that no password matches and that costs the same to check."""
        if self.text:
            return self._replace(text=self.text[:29] + b"." * 31)
        return self._replace(salt=os.urandom(len(self.salt)), digest=os.urandom(len(self.digest)))


def make_hash(password: bytes) -> str:
    """Return the hash of a password, with a new salt. Raises Unusable if this Python has no scrypt."""
    salt = os.urandom(SALT_SIZE)
    blank = Hash(LOG_N, BLOCK_SIZE, PARALLEL, salt, bytes(DIGEST_SIZE))
    return f"$scrypt$ln={LOG_N},r={BLOCK_SIZE},p={PARALLEL}${_encode(salt)}${_encode(_scrypt(blank, password))}"


def parse_hash(text: str) -> Hash:
    """Parse a hash from an option or an htpasswd file. Raises Unusable; its text never contains the hash."""
    if text.startswith("$scrypt$"):
        try:
            return _check_cost(_parse_scrypt(text))
        except ValueError:
            form = "$scrypt$ln=14,r=8,p=5$SALT$DIGEST"
            raise Unusable(f"a scrypt hash is {form}, within 160 MiB of memory; {_MAKE_ONE}") from None
    if text.startswith(BCRYPT_PREFIXES):
        return _parse_bcrypt(text)
    for prefix, name in _WEAK.items():
        if text.startswith(prefix):
            raise Unusable(f"{name} hashes are not accepted, only scrypt and bcrypt; {_MAKE_ONE}")
    raise Unusable(f"expected a scrypt or bcrypt hash after the user's name, got something else; {_MAKE_ONE}")


def verify(hashed: Hash, password: bytes) -> bool:
    """Tell whether the password matches the hash; both results take the same time."""
    from hmac import compare_digest

    if not hashed.text:
        return compare_digest(_scrypt(hashed, password), hashed.digest)
    import bcrypt

    found = bcrypt.hashpw(password[:BCRYPT_SIZE], hashed.text)
    return compare_digest(found, hashed.text)


def split_user(text: str) -> tuple[str, str]:
    """Return the name and the hash of ``USER:HASH``. Raises ValueError for any other text."""
    user, colon, hashed = text.partition(":")  # RFC 7617 §2: a user-id has no colon
    if not colon or not user or not hashed or not user.isprintable() or not hashed.isascii():
        raise ValueError(text)
    return user, hashed


def _parse_user(text: str) -> str:
    user, hashed = split_user(text)
    parse_hash(hashed)
    return f"{user}:{hashed}"


def _parse_scrypt(text: str) -> Hash:
    _, _, costs, salt, digest = text.split("$")
    numbers = []
    for name, cost in zip(("ln=", "r=", "p="), costs.split(","), strict=True):
        number = cost.removeprefix(name)
        if cost == number or not number.isdigit() or len(number) > 4:
            raise ValueError(text)
        numbers.append(int(number))
    log_n, block_size, parallel = numbers
    return Hash(log_n, block_size, parallel, _decode(salt), _decode(digest))


def _check_cost(hashed: Hash) -> Hash:
    log_n, block_size, parallel, salt, digest, _ = hashed
    if not (1 <= log_n <= 20 and block_size and parallel and len(salt) >= 8 and 16 <= len(digest) <= 64):
        raise ValueError("costs")
    if _memory(hashed) > MAX_MEMORY or (block_size * parallel) << log_n > MAX_WORK:
        raise ValueError("costs")
    verify(hashed._replace(log_n=1), b"")  # fails now if this Python has no scrypt, and imports what scrypt needs
    return hashed


def _parse_bcrypt(text: str) -> Hash:
    cost, salt, digest = text[4:6], text[7:29], text[29:]
    if len(text) != 60 or not cost.isdigit() or not 4 <= int(cost) <= 16 or text[6] != "$":
        raise Unusable("a bcrypt hash has 60 characters and a cost from 04 to 16")
    if set(salt + digest) - _BCRYPT_DIGITS or salt[-1] not in ".Oeu":  # two bits of the last digit are used
        raise Unusable("the salt or the digest of a bcrypt hash is not in its alphabet")
    if not has_bcrypt():
        raise Unusable(f"a bcrypt hash: {tell_missing('bcrypt')}; or {_MAKE_ONE}")
    # The prefix 2y of htpasswd is 2b elsewhere (crypt_blowfish 1.1).
    return Hash(0, 0, 0, b"", b"", ("$2b$" + text[4:]).encode())


@lru_cache(maxsize=1)
def has_bcrypt() -> bool:
    """Tell whether the bcrypt package works. Trying it imports everything before the sandbox is entered."""
    try:
        return not verify(Hash(0, 0, 0, b"", b"", b"$2b$04$" + b"." * 53), b"")
    except ImportError:
        return False


def _scrypt(hashed: Hash, password: bytes) -> bytes:
    # Imported here, because only passwords need it.
    import hashlib

    if not hasattr(hashlib, "scrypt"):
        raise Unusable("this Python was built without scrypt")
    return hashlib.scrypt(
        password,
        salt=hashed.salt,
        n=1 << hashed.log_n,
        r=hashed.block_size,
        p=hashed.parallel,
        maxmem=_memory(hashed) + (1 << 20),
        dklen=len(hashed.digest),
    )


def _memory(hashed: Hash) -> int:
    return 128 * hashed.block_size * ((1 << hashed.log_n) + hashed.parallel)


def _encode(value: bytes) -> str:
    return b2a_base64(value, newline=False).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except Base64Error as error:
        raise ValueError(text) from error


USER = Kind("USER:HASH", _parse_user, lambda text: f"{split_user(text)[0]}:(hidden)", separator="\n")
