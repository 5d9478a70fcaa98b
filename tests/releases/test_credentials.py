"""Where credentials come from, and that none of them is shown anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.s3server import ACCESS_KEY, SECRET_KEY, S3Server
from support.serverprocess import TIMEOUT_S, clean_environment
from support.stores import write_tree

from fastfile.errors import StartError, tell_missing
from fastfile.releases.s3.credentials import check_values, find_credentials, find_endpoint, show_endpoint

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2"}
NO_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CONFIG_FILE": "/nonexistent"}
SOURCES: list[tuple[dict[str, str], str]] = [
    (KEYS, "AWS_ACCESS_KEY_ID"),
    ({**KEYS, "AWS_PROFILE": "other"}, "AWS_ACCESS_KEY_ID"),
    ({**KEYS, "AWS_SKIP_SIGNATURE": "true"}, "none, by AWS_SKIP_SIGNATURE"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE"),
    ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1"}, "the container's role"),
    (NO_FILES, "the instance's role, because AWS_ACCESS_KEY_ID and AWS_PROFILE are not set"),
]


@pytest.mark.parametrize(("environ", "source"), SOURCES, ids=[row[1] for row in SOURCES])
def test_the_first_standard_place_is_used(environ: dict[str, str], source: str) -> None:
    credentials = find_credentials(environ)
    assert credentials.source == source
    assert credentials.provider is None
    assert "hunter2" not in repr(credentials)


def test_without_any_place_and_without_instance_metadata_it_is_one_line() -> None:
    with pytest.raises(
        StartError, match=r"^no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
    ):
        find_credentials({**NO_FILES, "AWS_EC2_METADATA_DISABLED": "true"})


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        (None, "AWS"),
        ("https://s3.example.com", "s3.example.com"),
        ("http://user:hunter2@127.0.0.1:9000/path?secret", "127.0.0.1:9000"),
        ("http://[::1", "the endpoint"),
        ("http://a:b", "the endpoint"),
    ],
)
def test_an_endpoint_is_shown_as_its_host(endpoint: str | None, shown: str) -> None:
    assert show_endpoint(endpoint) == shown


WRONG_VALUES = [
    *(
        (name, text)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        for text in ("k\n", " k", "\xe9")
    ),
    *((name, text) for name in ("AWS_REGION", "AWS_DEFAULT_REGION") for text in ("us\n", "not a region", "a/b")),
    *(
        ("AWS_ENDPOINT_URL_S3", text)
        for text in (
            *(
                "s3.example.com",
                "127.0.0.1:9000",
                "https://",
                "ftp://a",
                "http://a ",
                "http://a:99999",
                "http://a:b",
                "http://a:0",
            ),
            *("http://u:hunter2@a", "http://a?x", "http://a/#x", "http://[::1", "http://a\n", "http://\xe9"),
        )
    ),
    ("AWS_ENDPOINT_URL", "x"),
]


@pytest.mark.parametrize(("name", "text"), WRONG_VALUES, ids=[repr(row) for row in WRONG_VALUES])
def test_a_value_that_the_library_would_panic_at_is_one_line_that_names_the_variable(name: str, text: str) -> None:
    with pytest.raises(StartError) as caught:
        check_values({**KEYS, name: text}, None, None)
    assert str(caught.value).startswith(name)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {**KEYS, "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE+/==", "AWS_REGION": "eu-central-1"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.example.com/", "AWS_REGION": "auto", "AWS_SESSION_TOKEN": ""},
        {"AWS_ENDPOINT_URL_S3": "http://[::1]:9000"},
        {"AWS_ENDPOINT_URL": "http://minio_1:9000/base/path"},
    ],
)
def test_usual_values_are_taken(environ: dict[str, str]) -> None:
    check_values(environ, None, None)
    check_values({}, environ.get("AWS_ENDPOINT_URL_S3"), environ.get("AWS_REGION"))


@pytest.mark.parametrize(("endpoint", "region"), [("x", None), (None, "a b")])
def test_a_wrong_value_of_a_profile_is_one_line(endpoint: str | None, region: str | None) -> None:
    with pytest.raises(StartError, match="of the profile: expected"):
        check_values({}, endpoint, region)


def test_the_endpoint_of_s3_overrides_the_general_one() -> None:
    assert find_endpoint({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}) == "http://b"
    assert find_endpoint({"AWS_ENDPOINT_URL": "http://a"}) == "http://a"
    assert find_endpoint({}) is None


def publish(
    folder: Path, environment: dict[str, str], location: str, hidden: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command; ``hidden`` is a module that cannot be imported."""
    write_tree(folder / "dist", {"index.html": b"1"})
    code = f"import sys; sys.modules[{hidden!r}] = None; sys.argv[0] = 'fastfile'; from fastfile.__main__ import main"
    command = [sys.executable, "-c", f"{code}; sys.exit(main())", "publish", "dist", location]
    ran = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=TIMEOUT_S, check=False
    )
    assert ran.returncode == status, ran.stderr
    return ran


def without_aws(folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in clean_environment().items() if not name.startswith("AWS_")}
    return kept | {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}


def write_profile(folder: Path, server: S3Server) -> None:
    (folder / ".aws").mkdir()
    (folder / ".aws/credentials").write_text(
        f"[deploy]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    (folder / ".aws/config").write_text(f"[profile deploy]\nregion = us-east-1\nendpoint_url = {server.url}\n")


def test_a_profile_is_used_with_its_endpoint_and_region(s3_server: S3Server, tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    write_profile(tmp_path, s3_server)
    environment = without_aws(tmp_path) | {"AWS_PROFILE": "deploy"}
    assert publish(tmp_path, environment, f"s3://bucket/{tmp_path.name}").stdout
    wrong = publish(tmp_path, environment | {"AWS_PROFILE": "nobody"}, "s3://bucket/x", status=1)
    assert wrong.stderr == "fastfile: the profile nobody cannot be used: ProfileNotFound\n"


def test_a_profile_without_boto3_is_one_line_that_says_what_to_install(s3_server: S3Server, tmp_path: Path) -> None:
    write_profile(tmp_path, s3_server)
    environment = without_aws(tmp_path)
    ran = publish(tmp_path, environment | {"AWS_PROFILE": "deploy"}, "s3://bucket/x", "boto3", status=1)
    expected = f"the profile deploy of ~/.aws: {tell_missing('boto3')}; or set AWS_ACCESS_KEY_ID"
    assert ran.stderr == f"fastfile: {expected}\n"


def test_without_obstore_the_extra_is_named(tmp_path: Path) -> None:
    ran = publish(tmp_path, without_aws(tmp_path), "s3://bucket/x", "obstore", status=1)
    assert ran.stderr == f"fastfile: s3://bucket/x: {tell_missing('obstore')}\n"


def test_a_folder_store_imports_nothing_of_s3(tmp_path: Path) -> None:
    publish(tmp_path, without_aws(tmp_path), f"file://{tmp_path}/store", "obstore")


def test_no_output_has_a_secret(s3_server: S3Server, tmp_path: Path) -> None:
    environment = without_aws(tmp_path) | s3_server.environment()
    location = f"s3://bucket/{tmp_path.name}"
    outputs = [publish(tmp_path, environment, location)]
    outputs += [publish(tmp_path, environment | {"AWS_ACCESS_KEY_ID": "AKIAOTHER"}, location, status=1)]
    commands = [["releases", location], ["rollback", location], ["prune", "--keep=1", location], ["--print-config"]]
    for arguments in commands:
        command = [sys.executable, "-m", "fastfile", *arguments]
        outputs.append(
            subprocess.run(
                command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=TIMEOUT_S, check=False
            )
        )
    for ran in outputs:
        assert ran.stdout + ran.stderr
        assert SECRET_KEY not in ran.stdout + ran.stderr
        assert ACCESS_KEY not in ran.stdout + ran.stderr
        assert ran.stderr.count("\n") <= 1
    assert os.listdir(tmp_path / "dist") == ["index.html"]
