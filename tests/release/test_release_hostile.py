"""What a repository of others may do to whoever loads a model from it: nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_release import (
    ARCHITECTURE,
    CARD,
    GLOW,
    IMAGES,
    WEIGHTS,
    Release,
    card,
    commit,
    small_release,
    trained,
)

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import new_model
from pipeline_steps.release import loading, untrusted
from pipeline_steps.release.checkout import Checkout
from pipeline_steps.release.loading import (
    cache_folder,
    list_defenses,
    load_defense,
    load_generator,
    load_manifold,
)
from robust_papers import images
from tests.hostile import Hostile, hostile

GENERATOR_CARD = "results/demo/cards/generators/digits/glow.json"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return small_release(tmp_path_factory.mktemp("hostile") / "project")


@pytest.fixture
def release(
    original: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Release:
    """A copy to be spoiled, and nothing in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return original.copy(tmp_path / "copy")


@pytest.fixture
def traces(release: Release) -> Path:
    """A file that is there once code of the repository has run."""
    return release.root.parent / "it ran"


def edit(release: Release, place: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Another content of a card, committed."""
    path = release.root / place
    content = json.loads(path.read_text())
    replaced = change(content)
    path.write_text(json.dumps(content if replaced is None else replaced))
    commit(release.root)


def load(release: Release, **more: Any) -> Any:
    return load_defense("at", "digits", "demo", str(release.root), **more)


def refusal(act: Callable[..., Any], *told: Any, **more: Any) -> str:
    """The one sentence in which it ends, whatever it was told."""
    with pytest.raises(PipelineError) as caught:
        act(*told, **more)
    assert "\n" not in str(caught.value).strip()
    return str(caught.value)


# ---- Code --------------------------------------------------------------------------------

FACTORIES = (
    Hostile(
        "a card with the factory subprocess:call",
        "refused before a byte of the weights is fetched",
        ("subprocess:call", lambda traces: {"args": ["touch", str(traces)]}),
    ),
    Hostile(
        "a card with the factory pty:spawn",
        "refused before a byte of the weights is fetched",
        ("pty:spawn", lambda traces: {"argv": ["touch", str(traces)]}),
    ),
    Hostile(
        "a card with a factory in a file of its repository",
        "refused; the file is not read",
        ("evil.py:make", lambda traces: {}),
    ),
)


def name_factory(release: Release, traces: Path, bad: Hostile) -> None:
    address, arguments = bad.value
    if address.startswith("evil.py"):
        file = release.root / "evil.py"
        file.write_text(f"from pathlib import Path\nPath({str(traces)!r}).touch()\n")
        address = f"{file}:make"
    entry = {"factory": address, "arguments": arguments(traces)}
    entry["code"] = factory_digest(address)
    edit(release, CARD, lambda c: c["spec"].update(architecture=entry))


@hostile(*FACTORIES)
def test_a_card_runs_no_code(release: Release, traces: Path, bad: Hostile) -> None:
    name_factory(release, traces, bad)
    release.keep_remote_only()
    said = refusal(lambda: load(release))
    assert "would run code" in said and bad.value[0].rpartition("/")[2] in said
    assert not traces.exists()
    assert not list(cache_folder().iterdir()), "weights were fetched"


@hostile(
    *(
        Hostile(
            f"{each.what}, and trust=True", "refused: own.yaml has none", each.value
        )
        for each in FACTORIES
    )
)
def test_trust_alone_believes_no_card(
    release: Release, traces: Path, bad: Hostile
) -> None:
    name_factory(release, traces, bad)
    said = refusal(lambda: load(release, trust=True))
    assert "a card alone is never believed" in said
    assert not traces.exists()


def test_a_model_of_ones_own_needs_trust_and_is_shown(
    release: Release, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Only what own.yaml here names is made, and only with the arguments that it has."""
    factory = release.root / "mine.py"
    factory.write_text(
        "from torch import nn\ndef make(classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, classes))\n"
    )
    entry = {"factory": f"{factory}:make", "arguments": {"classes": 10}}
    own = release.root / "workflow/config/own.yaml"
    own.parent.mkdir(parents=True)
    model = {**entry, "title": "Mine", "weights": "mine.pt"}
    own.write_text(json.dumps({"models": {"at": model}}))
    entry["code"] = factory_digest(entry["factory"])
    write_tensors(release.root / WEIGHTS, new_model(entry, seed=0).state_dict())
    card(release.root, CARD, {"architecture": entry}, {}, {"weights": WEIGHTS})
    commit(release.root)
    monkeypatch.setattr(loading, "ROOT", release.root)
    told, sources = ("at", "digits", "demo"), ({}, {"repository": str(release.root)})
    for source in sources:
        assert "pass trust=True" in refusal(load_defense, *told, **source)
        capsys.readouterr()
        assert load_defense(*told, **source, trust=True)(IMAGES).shape == (4, 10)
        assert "mine.py:make" in capsys.readouterr().err
    own.write_text(own.read_text().replace("10", "9"))
    for source in sources:
        said = refusal(load_defense, *told, **source, trust=True)
        assert "a card alone is never believed" in said


# ---- Networks ----------------------------------------------------------------------------


def with_architecture(**changes: Any) -> Any:
    return lambda content: content["spec"]["architecture"].update(changes)


def without_architecture(content: dict[str, Any]) -> None:
    del content["spec"]["architecture"]


def nested(depth: int) -> dict[str, Any]:
    entry = dict(ARCHITECTURE)
    for _ in range(depth):
        entry = {"architecture": "normalised", "network": entry}
    return entry


@hostile(
    Hostile(
        "a width of 10^9", "refused at its first layer", with_architecture(width=10**9)
    ),
    Hostile("a width of 10^30", "refused", with_architecture(width=10**30)),
    Hostile("a negative width", "refused", with_architecture(width=-1)),
    Hostile("a width that is text", "refused", with_architecture(width="8; touch x")),
    Hostile("a width that is a list", "refused", with_architecture(width=[8])),
    Hostile("10^9 classes", "refused", with_architecture(classes=10**9)),
    Hostile("10^12 classes", "refused", with_architecture(classes=10**12)),
    Hostile("a yes for the channels", "refused", with_architecture(channels=True)),
    Hostile("an unknown setting", "refused", with_architecture(hook="os.system")),
    Hostile(
        "a network of depth 6 * 10^8 + 4",
        "refused at its first layers too many",
        with_architecture(architecture="wide_resnet", depth=6 * 10**8 + 4, width=1),
    ),
    Hostile(
        "an architecture that is a path",
        "refused: no word",
        with_architecture(architecture="../../evil"),
    ),
    Hostile(
        "an architecture that is a module",
        "refused: no word",
        with_architecture(architecture="subprocess.call"),
    ),
    Hostile(
        "an architecture of 10,000 letters",
        "refused: no word",
        with_architecture(architecture="a" * 10_000),
    ),
    Hostile(
        "an architecture that is a list",
        "refused",
        with_architecture(architecture=["small_cnn"]),
    ),
    Hostile("no architecture", "refused", without_architecture),
    Hostile(
        "20 networks in one another",
        "refused",
        lambda content: content["spec"].update(architecture=nested(20)),
    ),
    Hostile(
        "an inference that is no word",
        "refused",
        with_architecture(inference={"inference": "os", "epsilon": 0.1}),
    ),
    Hostile(
        "an inference beyond its range",
        "refused",
        with_architecture(
            inference={
                "inference": "manifold_transformation",
                "epsilon": 1e9,
                "step_size": 0.1,
            }
        ),
    ),
    Hostile(
        "a companion with a factory",
        "refused",
        with_architecture(companion={"factory": "os:system", "arguments": {}}),
    ),
    Hostile(
        "a companion as large as the memory",
        "refused",
        with_architecture(companion={**ARCHITECTURE, "width": 10**7}),
    ),
)
def test_a_card_describes_a_network_of_ours_or_none(
    release: Release, bad: Hostile
) -> None:
    edit(release, CARD, bad.value)
    said = refusal(lambda: load(release))
    assert CARD in said


@hostile(
    Hostile("a generator of 10^9 pixels a side", "refused", {"size": 10**9}),
    Hostile("a generator with 10^9 steps", "refused", {"steps": 10**9}),
    Hostile("a generator of 10^6 channels", "refused", {"channels": 10**6}),
    Hostile("a generator that is no word", "refused", {"generator": "../x"}),
    Hostile("a generator with an odd name", "refused", {"name": ["x"]}),
)
def test_a_card_describes_a_generator_of_ours_or_none(
    release: Release, bad: Hostile
) -> None:
    edit(release, GENERATOR_CARD, lambda c: c["spec"].update(model=GLOW | bad.value))
    refusal(lambda: load_generator("glow", "digits", "demo", str(release.root)))


# ---- Cards -------------------------------------------------------------------------------


def with_output(**changes: Any) -> Any:
    return lambda content: content["outputs"]["weights"].update(changes)


@hostile(
    Hostile("a card that is a list", "refused", lambda content: [content]),
    Hostile("a card without outputs", "refused", lambda c: c.pop("outputs") and None),
    Hostile("a card with a part more", "refused", lambda c: c.update(run="touch x")),
    Hostile("a card whose spec is a list", "refused", lambda c: c.update(spec=[1])),
    Hostile(
        "a card whose outputs are text", "refused", lambda c: c.update(outputs="x")
    ),
    Hostile("a file's name that is a number", "refused: no card", with_output(file=7)),
    Hostile("a file without bytes", "refused: no card", with_output(bytes=None)),
    Hostile(
        "weights at /etc/passwd", "refused: no card", with_output(file="/etc/passwd")
    ),
    Hostile(
        "weights outside of the repository",
        "refused",
        with_output(file="../" * 12 + "etc/passwd"),
    ),
    Hostile("a null byte in a name", "refused: no card", with_output(file="a\0b")),
    Hostile("a line's end in a name", "refused: no card", with_output(file="a\nb")),
    Hostile("a name of 10,000 letters", "refused", with_output(file="a" * 10_000)),
    Hostile("weights that are a folder", "refused", with_output(file=".")),
    Hostile("weights that are Git's own", "refused", with_output(file="x/.git/config")),
    Hostile("a digest that is a path", "refused", with_output(sha256="../../outside")),
    Hostile("a digest in capitals", "refused", with_output(sha256="A" * 64)),
    Hostile("another size", "refused before it is fetched", with_output(bytes=1 << 40)),
)
def test_a_card_of_another_form_is_one_sentence(release: Release, bad: Hostile) -> None:
    edit(release, CARD, bad.value)
    refusal(lambda: load(release))


@hostile(
    Hostile("100,000 brackets", "refused: not readable", "[" * 100_000),
    Hostile("a number of 10,000 digits", "refused: not readable", "9" * 10_000),
    Hostile("bytes that are no text", "refused: not readable", b"\xff\xfe\0"),
    Hostile("an empty file", "refused: not readable", ""),
    Hostile("a YAML tag", "refused: not readable", "!!python/object/apply:os.system"),
    Hostile("17 MB of blanks", "refused before it is fetched", " " * 17_000_000),
)
def test_a_card_that_is_no_json_is_one_sentence(release: Release, bad: Hostile) -> None:
    content = bad.value if isinstance(bad.value, bytes) else bad.value.encode()
    (release.root / CARD).write_bytes(content)
    commit(release.root)
    refusal(lambda: load(release))


@hostile(
    Hostile("a card that is a link to /etc/passwd", "refused: no card", "/etc/passwd"),
    Hostile("a card that is a link to /dev/zero", "refused: not there", "/dev/zero"),
    Hostile("a card that is a link to itself", "refused: not there", "at.json"),
)
def test_a_link_is_no_card(release: Release, bad: Hostile) -> None:
    (release.root / CARD).unlink()
    (release.root / CARD).symlink_to(bad.value)
    commit(release.root)
    for revision in (None, "HEAD"):
        refusal(lambda revision=revision: load(release, revision=revision))


def test_a_fitting_card_s_weights_are_still_only_tensors(release: Release) -> None:
    """Its digest holds, for whoever wrote the card wrote the file; it is not opened."""
    (release.root / WEIGHTS).write_bytes(b"\x80\x04cposix\nsystem\n(S'touch x'\ntR.")
    facts = file_facts(release.root / WEIGHTS)
    edit(
        release,
        CARD,
        lambda c: c["outputs"]["weights"].update(
            sha256=facts["sha256"], bytes=facts["bytes"]
        ),
    )
    assert "damaged or of another format" in refusal(lambda: load(release))


@hostile(
    Hostile(
        "safetensors whose header says 2^62 bytes",
        "refused",
        (1 << 62).to_bytes(8, "little") + b"{}",
    ),
    Hostile(
        "safetensors with a tensor beyond its end",
        "refused",
        (lambda head: len(head).to_bytes(8, "little") + head)(
            b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
        ),
    ),
)
def test_weights_that_blow_up_are_one_sentence(release: Release, bad: Hostile) -> None:
    (release.root / WEIGHTS).write_bytes(bad.value)
    facts = file_facts(release.root / WEIGHTS)
    edit(
        release,
        CARD,
        lambda c: c["outputs"]["weights"].update(
            sha256=facts["sha256"], bytes=facts["bytes"]
        ),
    )
    refusal(lambda: load(release))


# ---- DVC's settings ----------------------------------------------------------------------

S3 = "url = s3://bucket/x\n endpointurl = http://127.0.0.1:9\n "


@hostile(
    Hostile(
        "an S3 remote with a configpath, whose file has a credential_process",
        "refused; before, the command ran",
        f"['remote \"evil\"']\n {S3}configpath = ../aws\n",
    ),
    Hostile(
        "an S3 remote with a credentialpath",
        "refused",
        f"['remote \"evil\"']\n {S3}credentialpath = ../aws\n",
    ),
    Hostile(
        "an S3 remote with one of your profiles",
        "refused",
        f"['remote \"evil\"']\n {S3}profile = production\n",
    ),
    Hostile(
        "a WebDAV remote with a bearer_token_command",
        "refused",
        "['remote \"evil\"']\n url = webdav://127.0.0.1:9/x\n"
        " bearer_token_command = touch TRACES\n",
    ),
    Hostile(
        "an SSH remote at another server",
        "refused: your SSH agent would be lent to it",
        "['remote \"evil\"']\n url = ssh://evil.example.org/x\n",
    ),
    Hostile(
        "an SSH remote that takes a key of yours",
        "refused",
        "['remote \"evil\"']\n url = ssh://127.0.0.1/x\n keyfile = ~/.ssh/id_ed25519\n",
    ),
    Hostile(
        "a remote that asks for a password",
        "refused",
        "['remote \"evil\"']\n url = http://127.0.0.1:9/x\n ask_password = true\n",
    ),
    Hostile(
        "a remote of another kind",
        "refused",
        "['remote \"evil\"']\n url = gdrive://root/x\n",
    ),
    Hostile(
        "a remote by way of another remote",
        "refused",
        "['remote \"evil\"']\n url = remote://other/x\n['remote \"other\"']\n"
        " url = ssh://evil.example.org/x\n",
    ),
    Hostile(
        "DVC's own folder elsewhere",
        "refused",
        "['remote \"evil\"']\n url = ../store\n[core]\n site_cache_dir = /etc\n",
    ),
    Hostile("settings that are no settings", "refused", "[[[ evil\n"),
)
def test_a_repository_s_remote_is_no_more_than_a_place(
    release: Release, traces: Path, bad: Hostile
) -> None:
    release.keep_remote_only()
    (release.root / "aws").write_text(
        f"[default]\ncredential_process = touch '{traces}'\n"
    )
    config = bad.value.replace("TRACES", f"'{traces}'")
    if "[core]" not in config:
        config = f"[core]\n remote = evil\n{config}"
    (release.root / ".dvc/config").write_text(config)
    commit(release.root)
    for read in (load, lambda r: list_defenses(repository=str(r.root))):
        refusal(lambda read=read: read(release))
    assert not traces.exists()
    assert "AWS_CONFIG_FILE" not in os.environ


def test_the_user_s_own_settings_of_a_remote_are_believed() -> None:
    theirs = {"remote": {"r": {"url": "ssh://h/x", "keyfile": "/k"}}, "core": {}}
    with pytest.raises(PipelineError):
        untrusted.check_remotes(theirs, {}, "https://example.org/x.git")
    untrusted.check_remotes(theirs, theirs, "https://example.org/x.git")


def test_an_ssh_remote_beside_its_repository_is_read() -> None:
    theirs = {"remote": {"r": {"url": "ssh://me@lab.example.org:22/x"}}}
    for address in ("git@lab.example.org:x.git", "ssh://lab.example.org/x.git"):
        untrusted.check_remotes(theirs, {}, address)


@hostile(
    Hostile("fsmonitor in .git/config", "not run", ("[core]\n fsmonitor = RUN\n", "")),
    Hostile(
        "a filter in .git/config for all files",
        "not run",
        ('[filter "x"]\n smudge = RUN\n clean = RUN\n process = RUN\n', "* filter=x\n"),
    ),
    Hostile(
        "an ssh command and a pager in .git/config",
        "not run",
        ("[core]\n sshCommand = RUN\n pager = RUN\n editor = RUN\n", ""),
    ),
    Hostile(
        "a hooks folder in .git/config", "not run", ("[core]\n hooksPath = HOOKS\n", "")
    ),
    Hostile(
        "a credential helper in .git/config",
        "not run",
        ("[credential]\n helper = !RUN\n", ""),
    ),
)
def test_git_s_settings_of_a_repository_run_nothing(
    release: Release, traces: Path, bad: Hostile
) -> None:
    hooks = release.root.parent / "hooks"
    hooks.mkdir()
    script = release.root.parent / "run"
    script.write_text(f"#!/bin/sh\ntouch '{traces}'\n")
    script.chmod(0o755)
    for hook in ("post-checkout", "post-merge", "reference-transaction"):
        (hooks / hook).write_text(script.read_text())
        (hooks / hook).chmod(0o755)
    config, attributes = bad.value
    (release.root / ".gitattributes").write_text(attributes)
    commit(release.root)
    with (release.root / ".git/config").open("a") as file:
        file.write(config.replace("RUN", str(script)).replace("HOOKS", str(hooks)))
    for revision in (None, "HEAD", release.old):
        assert load(release, revision=revision)(IMAGES).shape == (4, 10)
    assert not traces.exists()


def test_a_cloned_repository_runs_nothing_either(
    release: Release, traces: Path
) -> None:
    """By an address, as another machine would be asked."""
    edit(
        release,
        CARD,
        lambda c: c["spec"].update(
            architecture={"factory": "os:system", "arguments": {}, "code": ""}
        ),
    )
    (release.root / "dvc.yaml").write_text(
        f"stages:\n  evil:\n    cmd: touch '{traces}'\n    outs: [evil]\n"
    )
    commit(release.root)
    address = f"file://{release.root}"
    refusal(lambda: load_defense("at", "digits", "demo", address))
    older = load_defense("at", "digits", "demo", address, release.old)
    assert torch.equal(older(IMAGES), trained(1)(IMAGES))
    assert not traces.exists()


# ---- Words of the caller -----------------------------------------------------------------


@hostile(
    *(
        Hostile(f"the address `{address}`", "refused before Git is asked", address)
        for address in (
            "ext::sh -c 'touch evil'",
            "file::/tmp",
            "fd::17",
            "--upload-pack=touch evil",
            "-u",
            "ssh://-oProxyCommand=touch/x",
            "ssh://me@-oProxyCommand=touch/x",
            "-oProxyCommand=touch:x",
            "me@-oProxyCommand=touch:x",
            "gopher://example.org/x",
            "javascript://example.org/x",
        )
    ),
    Hostile("an address with a line's end", "refused", "https://example.org\n--evil"),
    Hostile("an address with a null byte", "refused", "x\0y"),
    Hostile("an empty address", "refused", ""),
)
def test_an_address_is_a_place(bad: Hostile) -> None:
    assert "is no address" in refusal(
        lambda: load_defense("at", "digits", repository=bad.value)
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/group/papers.git",
        "git@example.org:group/papers.git",
        "ssh://git@example.org:2222/papers.git",
        "file:///srv/papers",
        "../my clone",
        "C--x",
    ],
)
def test_a_usual_address_is_read(address: str) -> None:
    untrusted.check_address(address, "v1.0")


@hostile(
    *(
        Hostile(f"the revision `{revision}`", "refused before Git is asked", revision)
        for revision in (
            "--output=evil",
            "-v1",
            "HEAD; touch evil",
            "$(touch evil)",
            "`touch evil`",
            "HEAD:../x",
            "v1..v2",
            "../x",
            "@{-1}",
            "HEAD^{/touch}",
            "v1 v2",
            "*",
        )
    ),
    Hostile("a revision with a line's end", "refused", "v1\nv2"),
    Hostile("a revision with a null byte", "refused", "v1\0"),
    Hostile("a revision of 10,000 letters", "refused", "a" * 10_000),
    Hostile("an empty revision", "refused", ""),
)
def test_a_revision_is_one(bad: Hostile) -> None:
    assert "is no revision" in refusal(
        lambda: load_defense("at", "digits", repository=".", revision=bad.value)
    )


@pytest.mark.parametrize(
    "revision", ["v1.0", "main", "feature/x-1", "HEAD~2", "v1^", "0" * 40, "a+b"]
)
def test_a_usual_revision_is_read(revision: str) -> None:
    untrusted.check_address(".", revision)


@hostile(
    *(
        Hostile(f"the name `{name}`", "refused", name)
        for name in (
            "../../x",
            "a/b",
            ".",
            "..",
            "-x",
            "*",
            "{x}",
            "a b",
            "$(x)",
            "'\"",
        )
    ),
    Hostile("a name with a null byte", "refused", "a\0b"),
    Hostile("an empty name", "refused", ""),
    Hostile("a name of 300 letters", "refused", "a" * 300),
)
def test_a_name_is_no_path(bad: Hostile) -> None:
    for act in (
        lambda: load_defense(bad.value, "digits"),
        lambda: load_defense("at", bad.value),
        lambda: load_defense("at", "digits", bad.value),
        lambda: load_generator(bad.value, "digits"),
        lambda: load_manifold("glow", "digits", split=bad.value),
        lambda: list_defenses(bad.value),
    ):
        assert "is no name of a" in refusal(act)


# ---- The user's cache --------------------------------------------------------------------


@hostile(
    Hostile("a cache that everybody may change", "refused", 0o777),
    Hostile("a cache that the group may change", "refused", 0o775),
)
def test_a_cache_of_others_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Hostile
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().stat().st_mode & 0o777 == 0o700
    cache_folder().chmod(bad.value)
    assert "can be changed by others" in refusal(cache_folder)


def test_what_others_put_into_the_cache_is_fetched_anew(release: Release) -> None:
    digest = file_facts(release.root / WEIGHTS)["sha256"]
    release.keep_remote_only()
    (cache_folder() / digest).symlink_to("/etc/passwd")
    assert torch.equal(load(release)(IMAGES), trained(2)(IMAGES))
    assert not (cache_folder() / digest).is_symlink()
    assert Path("/etc/passwd").read_bytes()[:4] != b"\0\0\0\0"


def test_building_data_looks_for_no_module_in_the_cache(tmp_path: Path) -> None:
    """A `pipeline_steps` in the folder of a build is not what runs."""
    (tmp_path / "pipeline_steps").mkdir()
    (tmp_path / "pipeline_steps/__main__.py").write_text("print('evil')")
    with pytest.raises(PipelineError, match="could not be built"):
        images._build("no-such-data", tmp_path)


# ---- What is pulled into a checkout ------------------------------------------------------


@hostile(
    Hostile("a card that speaks of ../../x", "refused", "../" * 5 + "x"),
    Hostile("a card that speaks of .git/hooks", "refused", "../../../../.git/hooks/x"),
    Hostile(
        "a card that speaks of an option",
        "refused",
        "../../../../--exec/a/checkpoints/x",
    ),
)
def test_a_card_of_a_checkout_speaks_of_results_alone(
    bad: Hostile, tmp_path: Path
) -> None:
    place = tmp_path / "results/demo/cards/defenses/x.json"
    place.parent.mkdir(parents=True)
    facts = {"file": bad.value, "sha256": "0" * 64, "bytes": 1}
    Card("a.step", {}, {}, {}, {"weights": facts}).write(place)
    assert "which is no result" in refusal(Checkout(tmp_path).cards, "demo")


@hostile(
    *(
        Hostile(
            f"a listing of DVC's with `{name}`", "refused before it is laid out", name
        )
        for name in ("../../.git/hooks/post-checkout", "/etc/cron.d/x", "a/../../x")
    )
)
def test_what_is_pulled_stays_in_its_folder(
    bad: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkout, "cache", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    digest = "ab" + "0" * 30 + ".dir"
    pointer = tmp_path / "data/digits.dvc"
    pointer.write_text(f"outs:\n- path: digits\n  md5: {digest}\n")
    listing = tmp_path / "cache/files/md5/ab" / digest[2:]
    listing.parent.mkdir(parents=True)
    listing.write_text(json.dumps([{"relpath": bad.value, "md5": "cd" + "0" * 30}]))
    said = refusal(Checkout(tmp_path).objects, [Path("data/digits.dvc")])
    assert "outside of data/digits" in said
