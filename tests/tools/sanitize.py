"""Compile the kernels with AddressSanitizer and UBSan, and run their tests: an over-read or an overflow ends the run.

``make sanitize``. The build is separate, in build/sanitized, and only of the kernels and what they extend: the other
extensions are Python sources, which have no pointers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
COPY = CHECKOUT / "build" / "sanitized"
TESTS = (
    "tests/protocol/test_parser.py",
    "tests/protocol/test_parser_oracles.py",
    "tests/protocol/test_sendfile.py",
    "tests/server/test_faults.py",
    "tests/server/net/tls/test_channels.py",
    "tests/server/net/tls/test_transport.py",
)
FLAGS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SOURCES = re.compile(r"^COMPILED_SOURCES = \(.*?^\)\n", re.DOTALL | re.MULTILINE)
BUILD = """
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = %r
kernels = [
    Extension(f"fastfile.{name}", [f"fastfile/{path}"], extra_compile_args=flags, extra_link_args=flags)
    for name, path in (
        ("_parser", "_parser.pyx"),
        ("_sendfile", "_sendfile.pyx"),
        ("server.net.tls.openssl", "server/net/tls/openssl.pyx"),
        ("message", "message.py"),
        ("server.net.tls.channel", "server/net/tls/channel.py"),
    )
]
directives = {"language_level": "3", "annotation_typing": False}
modules = cythonize(kernels, quiet=True, compiler_directives=directives)
setup(name="sanitized", packages=[], script_args=["-q", "build_ext", "--inplace"], ext_modules=modules)
"""


def main() -> int:
    for old in COPY.glob("report.*"):
        old.unlink()
    (COPY / "pyproject.toml").unlink(missing_ok=True)
    for name in ("fastfile", "tests"):
        shutil.rmtree(COPY / name, ignore_errors=True)
        shutil.copytree(CHECKOUT / name, COPY / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    extensions = COPY / "fastfile" / "_extensions.py"
    text = SOURCES.sub('COMPILED_SOURCES = ("message", "server.net.tls.channel")\n', extensions.read_text())
    extensions.write_text(text.replace("(*KERNELS, SHARED, ", "(*KERNELS, "))
    subprocess.run([sys.executable, "-c", BUILD % (list(FLAGS),)], cwd=COPY, check=True)
    shutil.copy(CHECKOUT / "pyproject.toml", COPY)  # for pytest's settings; the build does not need it
    libraries = [
        subprocess.check_output(["cc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environ = os.environ | {
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONMALLOC": "malloc",  # so that each object has red zones of its own
        "PYTHONPATH": str(COPY),
        # Python itself never frees all. What is found goes to files: pytest has taken the standard error.
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={COPY / 'report'}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={COPY / 'report'}",
        "FASTFILE_REQUIRE_EXTENSIONS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, *sys.argv[1:]]
    status = subprocess.run(command, cwd=COPY, env=environ).returncode
    for report in COPY.glob("report.*"):
        sys.stderr.write(report.read_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
