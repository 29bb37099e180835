"""Released codes, where a checkout of theirs is at hand: its place stands in a variable that
has the repository's name, in capitals and with `_` for `-`.

    TRADES=/path/to/TRADES python -m pytest tests/released
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from released_house import place_of
from torch.overrides import TorchFunctionMode

Load = Callable[..., ModuleType]


class OnCpu(TorchFunctionMode):
    """What a code sends to a GPU stays where it is; nothing of what it computes changes."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.cuda:
            return args[0]
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        args = tuple("cpu" if isinstance(a, str) and a == "cuda" else a for a in args)
        return func(*args, **kwargs)


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports a module of a released code, with stubs for what it needs beside itself."""
    before = set(sys.modules)
    monkeypatch.setattr(torch.cuda, "FloatTensor", torch.FloatTensor)
    gradcheck = importlib.import_module("torch.autograd.gradcheck")
    # Of PyTorch before 1.9; the leaves that it is asked for have no gradient yet.
    monkeypatch.setattr(gradcheck, "zero_gradients", lambda _: None, raising=False)

    def load(
        repository: str, module: str, *folders: str, **stubs: ModuleType
    ) -> ModuleType:
        for folder in reversed(folders or (".",)):
            monkeypatch.syspath_prepend(str(place_of(repository) / folder))
        for name, stub in stubs.items():
            monkeypatch.setitem(sys.modules, name, stub)
        return importlib.import_module(module)

    with OnCpu():
        yield load
    for name in set(sys.modules) - before:
        place = getattr(sys.modules[name], "__file__", None) or ""
        if "site-packages" not in place and "pipeline_steps" not in name:
            del sys.modules[name]


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> Callable[[torch.Tensor], None]:
    """Makes the next random tensors of a code those that ours has drawn."""

    def as_ours(drawn: torch.Tensor) -> None:
        monkeypatch.setattr(torch, "randn", lambda *_, **__: drawn.clone())
        fill = torch.Tensor.copy_
        monkeypatch.setattr(
            torch.Tensor, "uniform_", lambda self, *_: fill(self, drawn)
        )

    return as_ours
