"""Publishing and pulling through real remotes: a folder, an SSH server, an S3 server."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from release_checkout import Checkout, objects_of, refused, succeeded

pytestmark = pytest.mark.xdist_group("release")

LOOPBACK = "127.0.0.1"


@dataclass
class Remote:
    """What a user tells DVC of a remote, and what would be wrong to tell it."""

    url: str
    settings: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    refusal: str = ""

    def become_default(self, checkout: Checkout, **other: str) -> None:
        checkout.dvc("remote", "add", "--force", "--default", "real", self.url)
        for setting, value in (self.settings | other).items():
            checkout.dvc("remote", "modify", "real", setting, value)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote(str(tmp_path_factory.mktemp("folder") / "store"))


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind((LOOPBACK, 0))
        return asked.getsockname()[1]


def key(path: Path) -> Path:
    """A new SSH key without a password."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """OpenSSH's server with keys of its own, on a port of the loopback."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if server is None or shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH's server is not installed")
    home = tmp_path_factory.mktemp("ssh")
    host, user, stranger = (key(home / name) for name in ("host", "user", "stranger"))
    port = free_port()
    (home / "config").write_text(
        f"Port {port}\nListenAddress {LOOPBACK}\nHostKey {host}\n"
        f"AuthorizedKeysFile {user}.pub\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPidFile {home}/pid\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it separates its privileges
    process = subprocess.Popen(
        [server, "-D", "-e", "-f", str(home / "config")], stderr=subprocess.DEVNULL
    )
    try:
        await_port(port)
        yield Remote(
            f"ssh://{getpass.getuser()}@{LOOPBACK}:{port}{home}/store",
            settings={"keyfile": str(user), "allow_agent": "false"},
            wrong={"keyfile": str(stranger)},
            refusal="Permission denied",
        )
    finally:
        process.terminate()
        process.wait()


def await_port(port: int) -> None:
    for _ in range(100):
        with socket.socket() as asked:
            if asked.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"no server listens on port {port}")


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    """An S3 server on the loopback that checks who asks."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address=LOOPBACK, port=0, verbose=False
    )
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    known = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    told = {"endpoint_url": url, "region_name": "us-east-1"} | known
    boto3.client("s3", **told).create_bucket(Bucket="released")
    people = boto3.client("iam", **told)
    people.create_user(UserName="researcher")
    may = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    people.put_user_policy(
        UserName="researcher",
        PolicyName="store",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
    )
    access = people.create_access_key(UserName="researcher")["AccessKey"]

    def check_after(requests: str) -> None:
        plain = {"Content-Type": "text/plain"}
        told = urllib.request.Request(
            f"{url}/moto-api/reset-auth", data=requests.encode(), headers=plain
        )
        urllib.request.urlopen(told).read()

    check_after("0")
    try:
        yield Remote(
            "s3://released/papers",
            settings={
                "endpointurl": url,
                "region": "us-east-1",
                "access_key_id": access["AccessKeyId"],
                "secret_access_key": access["SecretAccessKey"],
            },
            wrong={"secret_access_key": "guessed"},
            refusal="Forbidden",
        )
    finally:
        check_after("inf")  # it is a setting of the process, so of other tests' servers
        server.stop()


@pytest.mark.parametrize("kind", ["folder", "ssh", "s3"])
def test_what_one_clone_publishes_another_pulls(
    unpublished: Checkout, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    remote = request.getfixturevalue(kind)
    remote.become_default(unpublished)
    unpublished.commit("Another remote")
    succeeded(unpublished.publish())
    clone = unpublished.clone(tmp_path / "clone")
    assert "nothing to be done" in succeeded(clone.pull())
    assert clone.large() == unpublished.large()
    assert not objects_of(tmp_path / "robust-papers-store"), "the default was not used"
    if remote.wrong:
        refuse_the_wrong_credential(unpublished, tmp_path / "stranger", remote)


def refuse_the_wrong_credential(
    published: Checkout, place: Path, remote: Remote
) -> None:
    """One sentence, nothing lost, and the right credential works at the next try."""
    clone = published.clone(place)
    remote.become_default(clone, **remote.wrong)
    said = refused(clone.pull())
    assert remote.refusal in said and "nothing was changed here" in said
    assert clone.large() == {}
    remote.become_default(clone)
    succeeded(clone.pull())
    assert clone.large() == published.large()


def test_a_server_that_says_nothing_is_given_up_in_time(clone: Checkout) -> None:
    with socket.socket() as mute:
        mute.bind((LOOPBACK, 0))
        mute.listen()
        url = f"ssh://someone@{LOOPBACK}:{mute.getsockname()[1]}/path"
        Remote(url, {"timeout": "2"}).become_default(clone)
        begin = time.monotonic()
        said = refused(clone.pull("results/demo/checkpoints/generators"))
    assert time.monotonic() - begin < 60
    assert "no answer in time; nothing was changed here" in said
