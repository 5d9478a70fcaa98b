"""fastfile compress: which files it writes, which it leaves unchanged, and what remains after an interruption."""

import contextlib
import errno
import fcntl
import gzip
import os
import pty
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.encoded import NO_LIBRARIES, SUFFIXES, TEXT, decode, require_all_codings
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, clean_environment

from fastfile.commands.compress import command as compress
from fastfile.commands.compress.survey import Original, survey
from fastfile.commands.compress.variant_file import State, Task, Writer, judge
from fastfile.errors import tell_missing
from fastfile.site.pages import readable_size
from fastfile.storage.encoders import LEVELS, encode, make_encoder
from fastfile.storage.root import Root

CODINGS = list(SUFFIXES)
COMMAND = [sys.executable, "-m", "fastfile", "compress"]


@pytest.fixture(autouse=True)
def _libraries():
    require_all_codings()


def run(*arguments, folder, **options):
    environment = clean_environment()
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        **options,
    )


def run_well(*arguments, folder):
    done = run(*arguments, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(folder):
    """The names in a folder and those beneath, without the folders."""
    return sorted(os.fsdecode(os.path.relpath(p, folder)) for p in folder.rglob("*") if not p.is_dir())


# Written variants


@pytest.mark.parametrize("coding", CODINGS)
def test_a_variant_holds_the_original_and_has_its_time_to_the_nanosecond_and_its_permissions(coding, tmp_path):
    original = tmp_path / "app.js"
    original.write_bytes(TEXT)
    original.chmod(0o640)
    os.utime(original, ns=(1, 1700000000_123456789))
    run_well(".", folder=tmp_path)
    variant = tmp_path / f"app.js{SUFFIXES[coding]}"
    assert decode(coding, variant.read_bytes()) == TEXT
    assert variant.stat().st_size < len(TEXT) / 3
    assert variant.stat().st_mtime_ns == 1700000000_123456789
    assert variant.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("coding", CODINGS)
def test_the_output_is_the_same_each_time_however_many_jobs_there_are(coding, tmp_path):
    variants = []
    for count, jobs in enumerate(("1", "8")):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "other-name.js" if count else folder / "app.js").write_bytes(TEXT * 100)  # several pieces
        run_well("--coding", coding, "-j", jobs, "--gzip-level", "6", "--br-level", "5", ".", folder=folder)
        (variant,) = folder.glob(f"*{SUFFIXES[coding]}")
        variants.append(variant.read_bytes())
    assert variants[0] == variants[1]
    assert decode(coding, variants[0]) == TEXT * 100


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [0, 1, 65536, 262144, 262145])
def test_content_of_any_size_encoded_by_pieces_decodes_to_itself(coding, size):
    content = (TEXT * (size // len(TEXT) + 1))[:size]
    encoder = make_encoder(coding.encode(), LEVELS[coding.encode()][0], size)
    pieces = [encoder.encode(content[start : start + 1000]) for start in range(0, size, 1000)]
    assert decode(coding, b"".join(pieces) + encoder.finish()) == content


def test_a_gzip_file_has_no_time_and_no_name():
    head = encode(b"gzip", 9, TEXT)
    assert head[3] & 0b01000 == 0, "FNAME"
    assert head[4:8] == bytes(4), "MTIME"


def test_gzip_itself_reads_what_we_write(tmp_path):
    (tmp_path / "a.gz").write_bytes(encode(b"gzip", 9, TEXT))
    command = [require_program("gzip"), "-dc", tmp_path / "a.gz"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == TEXT


COMPRESSED = {
    "page.html",
    "app.js",
    "style.css",
    "data.json",
    "logo.svg",
    "lib.wasm",
    "feed.atom",
    "README",
    "font.ttf",
}
LEFT = {"photo.png", "font.woff2", "film.mp4", "archive.zip", "blob.bin", "noextension", "old.gz", "x.tar", "x.tar.br"}


def test_what_gets_smaller_by_its_type_is_compressed_and_nothing_else(tmp_path):
    for name in COMPRESSED | LEFT:
        (tmp_path / name).write_bytes(TEXT)
    run_well("--coding", "gzip", ".", folder=tmp_path)
    assert set(names(tmp_path)) == COMPRESSED | LEFT | {f"{name}.gz" for name in COMPRESSED}


def test_types_can_be_added_by_type_family_and_ending(tmp_path):
    for name in ("a.png", "b.woff", "c.xyz", "d.zip"):
        (tmp_path / name).write_bytes(TEXT)
    run_well("--coding", "gzip", "--type", "image/png", "--type", "font/*", "--type", ".XYZ", ".", folder=tmp_path)
    assert {name for name in names(tmp_path) if name.endswith(".gz")} == {"a.png.gz", "b.woff.gz", "c.xyz.gz"}


def test_what_is_small_or_does_not_get_smaller_has_no_variant(tmp_path):
    (tmp_path / "small.js").write_bytes(TEXT[:1023])
    (tmp_path / "enough.js").write_bytes(TEXT[:1024])
    (tmp_path / "random.js").write_bytes(os.urandom(5000))
    (tmp_path / "empty.js").write_bytes(b"")
    output = run_well("--coding", "gzip", ".", folder=tmp_path)
    assert names(tmp_path) == ["empty.js", "enough.js", "enough.js.gz", "random.js", "small.js"]
    assert "1 written, 0 fresh, 1 no smaller" in output


def test_hidden_names_are_passed_by_but_for_well_known(tmp_path):
    for folder in (".git", ".well-known", "sub/.cache"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.txt").write_bytes(TEXT)
    (tmp_path / ".hidden.js").write_bytes(TEXT)
    run_well("--coding", "gzip", ".", folder=tmp_path)
    assert [name for name in names(tmp_path) if name.endswith(".gz")] == [".well-known/a.txt.gz"]


def test_links_are_followed_to_files_inside_the_folder_alone(tmp_path):
    site, outside = tmp_path / "site", tmp_path / "outside"
    for folder in (site / "real", outside):
        folder.mkdir(parents=True)
        (folder / "a.js").write_bytes(TEXT)
    (site / "inside.js").symlink_to("real/a.js")
    (site / "secret.js").symlink_to(outside / "a.js")
    (site / "nowhere.js").symlink_to("missing")
    (site / "folder").symlink_to(outside)
    (site / "loop").symlink_to(".")
    run_well("--coding", "gzip", ".", folder=site)
    assert [name for name in names(site) if name.endswith(".gz")] == ["inside.js.gz", "real/a.js.gz"]
    assert names(outside) == ["a.js"]
    assert gzip.decompress((site / "inside.js.gz").read_bytes()) == TEXT


def test_names_of_any_bytes_are_compressed_and_shown_harmlessly(tmp_path):
    name = b"\xff \x1b[2J\n.js"
    try:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(TEXT)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    output = run_well("-n", ".", folder=tmp_path)
    assert r"would write \udcff \x1b[2J\n.js.br" in output
    run_well("--coding", "gzip", ".", folder=tmp_path)
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [name, name + b".gz"]


# Existing variants


def test_a_second_run_writes_nothing(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    run_well(".", folder=tmp_path)
    before = {name: os.stat(tmp_path / name) for name in names(tmp_path)}
    assert "0 written, 3 fresh" in run_well(".", folder=tmp_path)
    assert {name: os.stat(tmp_path / name) for name in names(tmp_path)} == before


def make_pair(tmp_path, content, variant, original_ns, variant_ns):
    (tmp_path / "app.js").write_bytes(content)
    (tmp_path / "app.js.gz").write_bytes(variant)
    os.utime(tmp_path / "app.js", ns=(0, original_ns))
    os.utime(tmp_path / "app.js.gz", ns=(0, variant_ns))
    root = Root(os.fsencode(tmp_path))
    try:
        return judge(root, Original(b"app.js", os.stat(tmp_path / "app.js")), b"gzip")
    finally:
        root.close()


S = 1_000_000_000
NOW = 1_700_000_000 * S
GOOD, BAD = gzip.compress(TEXT), gzip.compress(TEXT + b"!")
FRESHNESS = [
    ("of the same time is fresh, unread", GOOD, NOW + 5, NOW + 5, State.FRESH),
    ("that is older is stale", GOOD, NOW + 5, NOW + 4, State.STALE),
    ("that is newer and holds the same is fresh", GOOD, NOW, NOW + 5, State.FRESH),
    ("that is newer and holds something else is stale: the original was put back", BAD, NOW, NOW + 5, State.STALE),
    ("that is newer and holds less is stale", gzip.compress(TEXT[:-1]), NOW, NOW + 5, State.STALE),
    ("that is newer and cut off is stale", GOOD[: len(GOOD) // 2], NOW, NOW + 5, State.STALE),
    ("that is newer and no gzip file is stale", TEXT, NOW, NOW + 5, State.STALE),
    ("without content is stale", b"", NOW, NOW, State.STALE),
    ("of a reproducible build is fresh by its content", GOOD, S, S, State.FRESH),
    ("of a reproducible build is stale by its content", BAD, S, S, State.STALE),
]


@pytest.mark.parametrize(
    ("variant", "original_ns", "variant_ns", "state"), [row[1:] for row in FRESHNESS], ids=[row[0] for row in FRESHNESS]
)
def test_a_variant(variant, original_ns, variant_ns, state, tmp_path):
    assert make_pair(tmp_path, TEXT, variant, original_ns, variant_ns) is state


@pytest.mark.parametrize("coding", CODINGS)
def test_a_newer_variant_is_decoded_in_every_coding(coding, tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    root = Root(os.fsencode(tmp_path))
    for content, state in ((TEXT, State.FRESH), (TEXT + b"!", State.STALE)):
        (tmp_path / f"app.js{SUFFIXES[coding]}").write_bytes(encode(coding.encode(), 1, content))
        os.utime(tmp_path / "app.js", ns=(0, NOW))
        assert judge(root, Original(b"app.js", os.stat(tmp_path / "app.js")), coding.encode()) is state
    root.close()


def test_a_stale_variant_is_replaced_and_removed_where_it_is_worth_it_no_more(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    (tmp_path / "tiny.js").write_bytes(TEXT)
    run_well("--coding", "gzip", ".", folder=tmp_path)
    (tmp_path / "app.js").write_bytes(TEXT + b"more")
    (tmp_path / "tiny.js").write_bytes(b"tiny")
    run_well("--coding", "gzip", ".", folder=tmp_path)
    assert names(tmp_path) == ["app.js", "app.js.gz", "tiny.js"]
    assert gzip.decompress((tmp_path / "app.js.gz").read_bytes()) == TEXT + b"more"


def test_a_variant_of_a_coding_that_is_not_made_is_left_alone(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    (tmp_path / "app.js.br").write_bytes(b"of some other tool")
    run_well("--coding", "gzip", ".", folder=tmp_path)
    assert (tmp_path / "app.js.br").read_bytes() == b"of some other tool"


def test_what_is_no_file_at_a_variants_name_stays_and_is_reported(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    (tmp_path / "app.js.gz").mkdir()
    (tmp_path / "app.js.br").symlink_to("app.js")
    done = run(".", folder=tmp_path)
    assert done.returncode == 1
    assert "app.js.gz: a folder or another kind of file has this name" in done.stderr
    assert (tmp_path / "app.js.br").is_symlink()
    assert (tmp_path / "app.js.zst").is_file()


# --clean


def test_clean_removes_fastfiles_variants_and_nothing_that_may_be_the_users(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for name in ("gone.js", "marked.css", "kept.html"):
        (site / name).write_bytes(TEXT)
    run_well(".", folder=site)
    (site / "gone.js").unlink()
    (site / "marked.css").unlink()
    for suffix in (".br", ".zst"):
        (site / f"marked.css{suffix}").unlink()  # its gzip file alone is known by its mark
    somebodys = {
        "data.csv.gz": gzip.compress(TEXT),  # a download
        "build.wasm.br": b"what a server with a rule for it sends",
        "archive.tar.gz": encode(b"gzip", 9, TEXT),  # not even of a type that we would compress
        "two.json.gz": gzip.compress(TEXT),
        "two.json.br": b"of another time",
    }
    for count, (name, content) in enumerate(somebodys.items()):
        (site / name).write_bytes(content)
        os.utime(site / name, ns=(0, NOW + count))
    (site / "folder.js.gz").mkdir()
    kept = {"kept.html", "kept.html.br", "kept.html.zst", "kept.html.gz", *somebodys}
    removed = {"gone.js.br", "gone.js.zst", "gone.js.gz", "marked.css.gz"}
    assert "4 variants have no original; --clean removes them" in run_well(".", folder=site)
    rehearsal = run_well("--clean", "--dry-run", ".", folder=site)
    assert all(f"would remove {name}\n" in rehearsal for name in removed)
    assert set(names(site)) == kept | removed
    output = run_well("--clean", ".", folder=site)
    assert set(names(site)) == kept
    assert all(f"removed {name}: its original is gone\n" in output for name in removed)
    assert "4 kept, because fastfile may not have made them: build.wasm.br, data.csv.gz, two.json.br, ..." in output


# Failures


def test_a_dry_run_changes_nothing(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    output = run_well("--dry-run", ".", folder=tmp_path)
    assert output.splitlines()[:3] == [f"would write app.js{suffix}" for suffix in SUFFIXES.values()]
    assert names(tmp_path) == ["app.js"]


def test_without_libraries_gzip_is_made_alone_and_that_is_said(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    script = f"{NO_LIBRARIES}; from fastfile.cli.main import main; raise SystemExit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "compress"]
    options = {"cwd": tmp_path, "env": clean_environment(), "capture_output": True, "text": True, "timeout": TIMEOUT_S}
    done = subprocess.run([*command, "."], **options)
    assert done.stdout.splitlines()[0] == f"only gzip is made: {tell_missing('Brotli', 'backports.zstd')}"
    assert (done.returncode, done.stderr, names(tmp_path)) == (0, "", ["app.js", "app.js.gz"])
    done = subprocess.run([*command, "--coding", "br", "."], **options)
    assert (done.returncode, done.stderr) == (1, f"fastfile: --coding br: {tell_missing('Brotli')}\n")


def test_a_file_that_cannot_be_done_is_reported_and_the_others_are_done(tmp_path):
    long = "a" * 252 + ".js"  # with .br it is longer than any file system takes
    (tmp_path / long).write_bytes(TEXT)
    (tmp_path / "app.js").write_bytes(TEXT)
    done = run("--coding", "gzip", ".", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"fastfile compress: {long}.gz: {os.strerror(errno.ENAMETOOLONG)}\n")
    assert names(tmp_path) == sorted([long, "app.js", "app.js.gz"])


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "app.js").write_bytes(os.urandom(300_000).hex().encode())
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    done = run("--coding", "gzip", ".", folder=tmp_path, preexec_fn=limit)
    assert (done.returncode, done.stderr) == (1, f"fastfile compress: app.js.gz: {os.strerror(errno.EFBIG)}\n")
    assert names(tmp_path) == ["app.js"]


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path):
    path = tmp_path / "app.js"
    path.write_bytes(TEXT)
    changes = [TEXT + b"1", TEXT + b"2"]

    def change(count):
        if changes:
            path.write_bytes(changes.pop())

    root = Root(os.fsencode(tmp_path))
    writer = Writer(root, {b"gzip": 9}, 1, change)
    task = Task(Original(b"app.js", os.stat(path)), b"gzip", False)
    assert writer.write(task) == (tmp_path / "app.js.gz").stat().st_size
    assert gzip.decompress((tmp_path / "app.js.gz").read_bytes()) == path.read_bytes() == TEXT + b"1"
    assert (tmp_path / "app.js.gz").stat().st_mtime_ns == path.stat().st_mtime_ns
    changes += [TEXT + b"%d" % number for number in range(9)]
    with pytest.raises(OSError, match="it changes while it is read"):
        writer.write(task)
    assert names(tmp_path) == ["app.js", "app.js.gz"]
    root.close()


def start_long_run(folder):
    """Start a run of many seconds in a folder, and return it as soon as its temporary file exists."""
    (folder / "long.js").write_bytes(os.urandom(20_000_000).hex().encode())
    process = subprocess.Popen(
        [*COMMAND, "--coding", "br", "."], cwd=folder, env=clean_environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job inherits SIG_IGN
    )  # fmt: skip
    deadline = time.monotonic() + TIMEOUT_S
    while not list(folder.glob(".fastfile-*.tmp")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # there is no event for another process's file: poll
    return process


def test_a_run_that_is_killed_leaves_no_variant_and_the_next_run_clears_up(tmp_path):
    with start_long_run(tmp_path) as process:
        process.kill()
    (leftover,) = tmp_path.glob(".fastfile-*.tmp")
    assert names(tmp_path) == [leftover.name, "long.js"]
    (tmp_path / "long.js").write_bytes(TEXT)
    run_well("--coding", "br", ".", folder=tmp_path)
    assert names(tmp_path) == ["long.js", "long.js.br"]


def test_a_run_that_is_interrupted_leaves_nothing(tmp_path):
    with start_long_run(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, stderr) == (130, "fastfile compress: interrupted\n")
    assert names(tmp_path) == ["long.js"]


def test_what_another_run_is_writing_is_not_taken_for_a_leftover(tmp_path):
    path = tmp_path / ".fastfile-0123456789abcdef.tmp"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_well(".", folder=tmp_path)
        assert path.exists()
    run_well(".", folder=tmp_path)
    assert not path.exists()


def test_writers_side_by_side_leave_one_whole_variant(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    root = Root(os.fsencode(tmp_path))
    writer = Writer(root, {b"br": 5}, 1, lambda count: None)
    task = Task(survey(root, frozenset()).originals[0], b"br", False)
    threads = [threading.Thread(target=writer.write, args=(task,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    root.close()
    assert names(tmp_path) == ["app.js", "app.js.br"]
    assert decode("br", (tmp_path / "app.js.br").read_bytes()) == TEXT


# The command line


MISTAKES = [
    (["--zzzz", "3"], 2, "--zzzz (from the command line): no such option"),
    (["--br-level", "12", "."], 2, '--br-level (from the command line): expected a number from 0 to 11, got "12"'),
    (["--coding", "deflate"], 2, '--coding (from the command line): expected one of br, zstd, gzip, got "deflate"'),
    (["--type", "js"], 2, "--type (from the command line): expected a media type, a family such as font/*, or an "
     'ending such as .dat, got "js"'),
    (["a", "b"], 2, 'DIR (from the command line): expected one folder, got "a" and "b"'),
    ([], 2, "DIR (from the command line): name the folder: no index.html in the current folder"),
    (["missing"], 1, "missing: no such folder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "status", "line"), MISTAKES, ids=[" ".join(row[0]) or "none" for row in MISTAKES]
)
def test_a_mistake_is_one_line(arguments, status, line, tmp_path):
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"fastfile: {line}\n")


def test_help_names_every_option_and_fits_80_columns(tmp_path):
    text = run_well("--help", folder=tmp_path)
    assert all(option.flag in text for option in compress.USAGE.options)
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_folder_the_build_is_compressed(tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "app.js").write_bytes(TEXT)
    (tmp_path / "dist" / "index.html").write_bytes(b"")
    (tmp_path / "source.js").write_bytes(TEXT)
    assert run_well("--coding", "gzip", folder=tmp_path).startswith("./dist\n")
    assert names(tmp_path) == ["dist/app.js", "dist/app.js.gz", "dist/index.html", "source.js"]


def test_the_table_says_what_is_saved(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    head, br, zstd, gz, total = run_well(".", folder=tmp_path).splitlines()
    assert head.split() == ["coding", "files", "before", "after", "saved"]
    for line, coding in ((br, "br"), (zstd, "zstd"), (gz, "gzip")):
        size = (tmp_path / f"app.js{SUFFIXES[coding]}").stat().st_size
        saved = f"{1 - size / len(TEXT):.0%}"
        assert line.split() == [coding, "1", *readable_size(len(TEXT)).split(), *readable_size(size).split(), saved]
    assert total == "3 written, 0 fresh"


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(tmp_path):
    (tmp_path / "app.js").write_bytes(TEXT)
    ours, theirs = pty.openpty()
    environment = clean_environment() | {"TERM": "xterm"}
    with os.fdopen(theirs, "wb") as stderr:
        subprocess.run(
            [*COMMAND, "."], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, check=True
        )
    shown = b""
    with contextlib.suppress(OSError):  # EIO is the end of a terminal on Linux
        while more := os.read(ours, 65536):
            shown += more
    os.close(ours)
    assert b"\r[" in shown
    assert shown.endswith(b"\r\x1b[K"), "the line is cleared in the end"
