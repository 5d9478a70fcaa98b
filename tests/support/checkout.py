"""Where the checkout and the tests' own data are."""

from pathlib import Path

TESTS = Path(__file__).parent.parent
CHECKOUT = TESTS.parent
DATA = TESTS / "data"
CORPUS = TESTS / "corpus"
