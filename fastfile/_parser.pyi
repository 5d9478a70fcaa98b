# The compiled kernel has the interface of its twin.
from fastfile._parser_py import BodyParser as BodyParser
from fastfile._parser_py import HeadParser as HeadParser
