"""What is refused of a repository that somebody else may have written.

Its cards name networks, its DVC settings name remotes, and its address and revision may have
come from a web page. Nothing of these may run code, choose a file of this machine, or take
all of its memory.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from torch import Tensor
from torch.nn.modules import module as torch_modules

from pipeline_steps.core.card import Card, missing_plugins
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import parameters, unknown, words
from pipeline_steps.core.settings import (
    GIVEN,
    Choice,
    Entry,
    Settings,
    first_error,
    kind_of,
    wanted,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@~^-]*")
SCHEMES = ("https", "http", "ssh", "git", "git+ssh", "file")
LARGEST = 1 << 31
DEEPEST = 8

# Beside its settings an architecture may have these, and a generator those.
BESIDE = {"architecture": ("companion", "inference"), "generator": ("name", "decoded")}

# What a repository may say of a DVC remote. The others name files of this machine (such as
# `configpath`, whose file may hold a command), commands, or ask for a password.
OF_A_REMOTE = {
    *("url", "type", "jobs", "checksum_jobs", "version_aware", "worktree", "verify"),
    *("region", "endpointurl", "allow_anonymous_login", "use_ssl", "shared"),
    *("access_key_id", "secret_access_key", "user", "port", "max_sessions"),
    *("timeout", "read_timeout", "connect_timeout", "slow_link_warning"),
    *("listobjects", "no_traverse", "protected", "cache_regions"),
}
REMOTES = ("", "s3", "gs", "azure", "oss", "http", "https", "ssh")


# ---- Names, addresses, revisions ---------------------------------------------------------


def check_names(**names: str | None) -> None:
    """Names that become a part of a path."""
    for what, name in names.items():
        if name is not None and (not NAME.fullmatch(name) or len(name) > 200):
            raise PipelineError(
                f"{name!r} is no name of a {what}: one is of letters, digits, '-', '_', "
                "'+', '@' and '.', and begins with a letter or a digit"
            )


def check_address(repository: str, revision: str | None) -> None:
    """An address that Git takes for a place, and a revision that it takes for one."""
    if revision is not None and (
        not REVISION.fullmatch(revision) or ".." in revision or len(revision) > 200
    ):
        raise PipelineError(
            f"{revision!r} is no revision; name a tag, a branch or a commit"
        )
    scheme, between, _ = repository.partition("://")
    reason = ""
    if not repository or not repository.isprintable():
        reason = "it is empty, or holds characters that can't be printed"
    elif repository.startswith("-"):
        reason = "it begins with '-', as an option does"
    elif re.match(r"[\w.+-]+::", repository):
        reason = "Git would start a program to read it"
    elif between and scheme not in SCHEMES:
        reason = f"it begins with '{scheme}://'; these are read: {', '.join(SCHEMES)}"
    elif re.search(r"^[\w.+-]+://([^/]*@)?-|^([^/:]*@)?-", repository):
        reason = "its server begins with '-', as an option does"
    if reason:
        raise PipelineError(f"{repository!r} is no address of a repository: {reason}")


# ---- DVC's settings ----------------------------------------------------------------------


def check_remotes(
    config: Mapping[str, Any], own: Mapping[str, Any], repository: str
) -> None:
    """A repository's remotes say where bytes lie, and nothing else of this machine.

    What the user's own settings of DVC say of a remote is the user's affair.
    """
    for name, remote in config.get("remote", {}).items():
        mine = own.get("remote", {}).get(name, {})
        theirs = {k: v for k, v in remote.items() if mine.get(k) != v}
        odd = sorted(theirs.keys() - OF_A_REMOTE)
        if odd:
            raise PipelineError(
                f"{repository} sets '{odd[0]}' of its DVC remote '{name}', which could run "
                "a command, use files of yours, or ask you for a password; pass trust=True "
                "if you know who wrote it, or set it in your own (dvc remote add --global)"
            )
        if "url" in theirs:
            _check_remote_url(name, str(theirs["url"]), repository)
    if config.get("core", {}).get("site_cache_dir") != own.get("core", {}).get(
        "site_cache_dir"
    ):
        raise PipelineError(
            f"{repository} says where DVC keeps its files on this machine "
            "('site_cache_dir'); pass trust=True if you know who wrote it"
        )


def _check_remote_url(name: str, url: str, repository: str) -> None:
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in REMOTES:
        raise PipelineError(
            f"the DVC remote '{name}' of {repository} lies at {scheme}://…, which is not "
            "read from a repository of others; pass trust=True if you know who wrote it"
        )
    # A login lends the server your SSH agent, so it goes where you went for the repository.
    host = urlsplit(url).hostname
    if scheme == "ssh" and host != _host(repository):
        raise PipelineError(
            f"the DVC remote '{name}' of {repository} would log in to {host} by SSH; pass "
            "trust=True if you know that machine, or add the remote to your own settings "
            "(dvc remote add --global)"
        )


def _host(repository: str) -> str | None:
    if "://" in repository:
        return urlsplit(repository).hostname
    return repository.partition(":")[0].rpartition("@")[2] or None


# ---- What a card says of a network -------------------------------------------------------


def registered(kind: str, entry: Any, card: Card, whose: object) -> Entry:
    """An entry of a card, of which each word is this project's or an installed plugin's."""
    try:
        return _registered(kind, entry, card, DEEPEST)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise PipelineError(
            f"{whose} names no {kind} of ours: {_first(error)}"
        ) from None


def _registered(kind: str, entry: Any, card: Card, depth: int) -> Entry:
    if not isinstance(entry, dict) or not isinstance(entry.get(kind), str):
        raise ValueError(f"{kind_of(entry)} stands where one is named")
    if not depth:
        raise ValueError(f"it holds more than {DEEPEST} of them in one another")
    word = entry[kind]
    if word not in words(kind):
        for package in missing_plugins(card):
            raise PipelineError(
                f"the {kind} '{word}' is of a plugin, and its package {package} is not "
                "installed; install it if you trust it, and load again"
            )
        raise ValueError(unknown(kind, word))
    beside: Entry = {}
    settings = dict(entry)
    for key in BESIDE.get(kind, ()):
        if key in settings:
            beside[key] = _beside(key, settings.pop(key), card, depth)
    given = {key: settings.pop(key) for key in GIVEN if key in settings}
    for key, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if key not in wanted(kind, word) or not whole or not 0 < value < LARGEST:
            raise ValueError(f"its '{key}' is {kind_of(value)}")
    inside = {
        key: _registered(kind, value, card, depth - 1)
        for key, value in settings.items()
        if isinstance(value, dict) and any(kind == inner for inner in value)
    }
    names = {parameter.name for parameter in parameters(kind, word)}
    if inside.keys() - names:
        raise ValueError(f"it has no '{min(inside.keys() - names)}'")
    plain = {key: value for key, value in settings.items() if key not in inside}
    checked = _settings(kind, {**plain, **{k: _bare(v) for k, v in inside.items()}})
    return {**checked, **inside, **given, **beside}


def _bare(entry: Entry) -> Entry:
    """An entry without what a data set supplies, as a config would have it."""
    return {
        key: _bare(value) if isinstance(value, dict) else value
        for key, value in entry.items()
        if key not in GIVEN
    }


def _settings(kind: str, entry: Entry) -> Entry:
    """An entry whose settings are of the types that its class declares."""
    try:
        return Choice(kind).entry_of(entry)
    except ValidationError as error:
        raise ValueError(first_error(error, Settings)[1]) from None


def _beside(key: str, value: Any, card: Card, depth: int) -> Any:
    if key == "companion":
        return _registered("architecture", value, card, depth - 1)
    if key == "inference":
        return _registered("inference", value, card, depth - 1)
    if key == "decoded" and value not in ("clamped", "raw"):
        raise ValueError(f"its '{key}' is {kind_of(value)}")
    if not isinstance(value, str):
        raise ValueError(f"its '{key}' is {kind_of(value)}")
    return value


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# ---- Building ----------------------------------------------------------------------------


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor], whose: object) -> Iterator[None]:
    """Stops the making of a network as soon as it outgrows its weights.

    A card may say a width of 10^9. Tensors take memory only when they are filled, which is
    after they became a network's; a network may also make a layer twice, hence the double.
    """
    tensors = 2 * len(weights) + 8
    elements = 2 * sum(tensor.numel() for tensor in weights.values()) + 1024

    def count(_module: Any, _name: str, tensor: Any) -> None:
        nonlocal tensors, elements
        if isinstance(tensor, Tensor):
            tensors, elements = tensors - 1, elements - tensor.numel()
        if tensors < 0 or elements < 0:
            raise PipelineError(
                f"{whose} holds the weights of a smaller network than its card describes"
            )

    hooks = [
        torch_modules.register_module_parameter_registration_hook(count),
        torch_modules.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    except (TypeError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise PipelineError(
            f"the network of {whose} can't be made as its card describes it: "
            f"{_first(error)}"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
