"""The folders of the checkout and of the test data."""

from pathlib import Path

TESTS = Path(__file__).parent.parent
CHECKOUT = TESTS.parent
DATA = TESTS / "data"
CORPUS = TESTS / "corpus"
