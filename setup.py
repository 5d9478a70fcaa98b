"""Builds the extensions if a C compiler works, and leaves pure Python otherwise: all of them or none.

FASTFILE_NO_EXTENSIONS=1 builds none; FASTFILE_REQUIRE_EXTENSIONS=1 makes a failed build fatal.
"""

import os
import runpy
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import setup

EXTENSIONS = runpy.run_path("fastfile/_extensions.py")
# Where -O2 saves instructions of a plain request, counted by benchmarks/instructions.py. Elsewhere -O1 does as well and
# compiles faster.
HOT = ("_parser", "_sendfile", "clock", "storage.freshness", "site.entry", "server.net.http1.connection")


def flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def extension_build() -> dict[str, object]:
    """Return setup()'s arguments for the extensions: empty if they are switched off."""
    if flag("FASTFILE_NO_EXTENSIONS"):
        return {}
    from Cython.Build import build_ext, cythonize
    from Cython.Compiler.Errors import CompileError as TranslationError
    from Cython.Distutils.extension import Extension
    from setuptools.errors import CompileError, LinkError

    class BuildAllOrNone(build_ext):
        def build_extensions(self) -> None:
            """Try the smallest one first, so that Cython does not translate for a minute without a working compiler."""
            if self.inplace:  # an extension that the list no longer names would hide its source
                known = {Path(self.get_ext_fullpath(extension.name)).resolve() for extension in self.extensions}
                for built in Path("fastfile").rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                    if built.resolve() not in known:
                        built.unlink()
            try:
                with tempfile.TemporaryDirectory() as folder:
                    source = Path(folder, "least.c")
                    source.write_text("#include <Python.h>\n")
                    self.compiler.compile([str(source)], output_dir=folder)
                self.translate_and_compile()
            except (CompileError, LinkError, TranslationError) as error:
                if flag("FASTFILE_REQUIRE_EXTENSIONS"):
                    raise
                self.warn(f"no extension is built: {error}")
                for extension in self.extensions:
                    Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
                self.extensions = []

        def translate_and_compile(self) -> None:
            """Compile in threads, and translate in this one alone, since Cython keeps state in globals.

            Beside other translations it sometimes wrote a shared module without some of its exports.
            """
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                compiled = []
                for extension in self.extensions:
                    [translated] = cythonize(
                        extension,
                        force=self.force,
                        quiet=True,
                        compiler_directives=directives,
                        shared_utility_qualified_name=getattr(extension, "shared_utility_qualified_name", None),
                    )
                    extension.sources = translated.sources
                    # That of the base class: Cython's own would translate.
                    compiled.append(pool.submit(super(build_ext, self).build_extension, extension))
                for each in compiled:
                    each.result()

    # Without functions that can be bound and inspected, pickling, and the source as comments, the build takes a third
    # less. C types are those of the .pxd; an annotation of int means a Python int.
    directives = {
        "annotation_typing": False,
        "auto_pickle": False,
        "binding": False,
        "emit_code_comments": False,
        "language_level": "3",
    }
    declarations = [str(path) for pattern in ("*.pxd", "*.h") for path in Path("fastfile").rglob(pattern)]
    shared = EXTENSIONS["SHARED"]

    def extension(module: str) -> Extension:
        suffix = ".pyx" if module in EXTENSIONS["KERNELS"] else ".c" if module == shared else ".py"
        # Python's flags include -g, which costs a third more build time and seven times the size, and -Wall.
        flags = os.environ.get("FASTFILE_CFLAGS") or f"{'-O2' if module in HOT else '-O1'} -g0 -w"
        made = Extension(
            f"fastfile.{module}",
            [f"fastfile/{module.replace('.', '/')}{suffix}"],
            depends=declarations,  # a changed layout changes every extension that uses it
            extra_compile_args=flags.split(),
        )
        if module not in EXTENSIONS["KERNELS"]:  # in a kernel, gcc inlines what it would have to call in another module
            made.shared_utility_qualified_name = f"fastfile.{shared}"
        return made

    return {
        "ext_modules": [extension(module) for module in EXTENSIONS["MODULES"]],
        "cmdclass": {"build_ext": BuildAllOrNone},
    }


setup(**extension_build())
