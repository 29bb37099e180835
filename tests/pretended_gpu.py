"""A GPU in pretence: a device whose tensors lie on the CPU and refuse to be taken for it.

Within `pretended()` each tensor belongs to one of two devices, as beside a real GPU. An
operation on tensors of both is refused, as CUDA refuses it, and what would make the
processor wait for the GPU is counted: what `torch.cuda.set_sync_debug_mode` would find.
The arithmetic is the CPU's own, so results are the CPU's to the last byte.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from pipeline_steps.core.device import DEVICE
from pipeline_steps.core.registry import ROOT

NAME = "pretended"
CPU = torch.device("cpu")
aten = torch.ops.aten

MOVES = {aten._to_copy, aten.copy_}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
# The shape of what these give is known to the GPU alone.
SHAPED = {aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim}
# What autocast computes in fewer bits.
LOWERED = {torch.conv2d, torch.nn.functional.linear, torch.matmul, torch.addmm}
PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__}
SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]
ASKED = {aten._local_scalar_dense, aten.equal}


class OnGpu(Tensor):
    """A tensor of the pretended GPU; what it holds lies on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGpu":
        made: OnGpu = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise RuntimeError(f"{function} of a pretended GPU outside of `pretended()`")


class Draws(torch.Generator):
    """Draws the CPU's random numbers on the GPU."""

    def __new__(cls, device: Any = None) -> torch.Generator:
        on_gpu = torch.device(device or CPU).type == NAME
        return super().__new__(cls, CPU) if on_gpu else GENERATOR(device or CPU)

    @property
    def device(self) -> torch.device:
        return torch.device(NAME, 0)


GENERATOR = torch.Generator


class Backend(_DummyBackendModule):
    """What torch asks the module of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, device: int = 0) -> Tensor:
        return torch.empty(0)

    def set_rng_state(self, state: Tensor, device: int = 0) -> None:
        """Nothing here draws from a state of the device's own."""


# When this is imported, for torch counts the devices at the first backward pass.
_setup_privateuseone_for_python_backend(NAME, Backend())
EVERY = torch.library.Library("_", "IMPL")
EVERY.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")


class Computing(TorchDispatchMode):
    """Computes on the CPU what belongs on the GPU, and counts what waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        to_gpu = device is not None and torch.device(device).type == NAME
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)]
        if not to_gpu and not any(isinstance(tensor, OnGpu) for tensor in tensors):
            return function(*args, **kwargs)
        self._look(function, args, kwargs, to_gpu)
        if device is not None:
            kwargs["device"] = CPU
        answer = function(*tree_map(_held, args), **tree_map(_held, kwargs))
        changed = _changed(function, args, kwargs)
        if not function._schema.returns:
            return None
        if changed:
            return changed[0] if len(changed) == 1 else tuple(changed)
        return (
            answer if device is not None and not to_gpu else tree_map(_on_gpu, answer)
        )

    def _look(self, function: Any, args: Any, kwargs: Any, to_gpu: bool) -> None:
        """Refuses what CUDA refuses, and counts what would wait."""
        packet = function.overloadpacket
        if packet in MOVES:
            self._look_at_move(packet, args, kwargs, to_gpu)
            return
        indices: list[Tensor] = []
        if packet in INDEXING and isinstance(args[0], OnGpu):
            indices = [index for index in args[1] if index is not None]
            others = [args[0], *args[2:]]
        else:
            others = [*args, *kwargs.values()]
        _refuse_both(function, others, _changed(function, args, kwargs), to_gpu)
        for index in indices:
            if not isinstance(index, OnGpu):
                self._wait("indexed by numbers of the CPU")
            if index.dtype in (torch.bool, torch.uint8) and not _fills(function, args):
                self._wait("as many as a mask says")
        if packet in SHAPED:
            self._wait("as many as the GPU says")
        if packet in ASKED:
            self._wait("asked for a number")

    def _look_at_move(self, packet: Any, args: Any, kwargs: Any, to_gpu: bool) -> None:
        if packet is aten._to_copy and kwargs.get("device") is None:
            return  # to another type of numbers
        goal, source = args[:2] if packet is aten.copy_ else (None, args[0])
        arrives = to_gpu or isinstance(goal, OnGpu)
        if isinstance(source, OnGpu) and not arrives:
            self._wait("copied to the CPU")
        late = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        if not isinstance(source, OnGpu) and arrives and source.dim() and not late:
            self._wait("copied to the GPU at once")

    def _wait(self, what: str) -> None:
        self.waits[f"{_where()}: {what}"] += 1


class Calling(TorchFunctionMode):
    """Hands to the dispatcher what torch would read from memory by itself."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is Tensor.tolist and isinstance(args[0], OnGpu):
            return args[0].cpu().tolist()
        if function == SET_DATA and isinstance(args[0], OnGpu):
            args[0].held = args[1].held
        if function in PRODUCTS and isinstance(args[1], Tensor):
            row, matrix = args
            if row.dim() == 1 and matrix.dim() == 2 and isinstance(row, OnGpu):
                # As torch does it, which would change the row's shape in place.
                return row.unsqueeze(0).mm(matrix).squeeze(0)
        if function in LOWERED and torch.is_autocast_enabled(NAME):
            args, kwargs = tree_map(_lower, (args, kwargs or {}))
        return function(*args, **(kwargs or {}))


@contextmanager
def pretended() -> Iterator[Computing]:
    """A GPU for a while, on which steps compute; it counts what waits for it."""
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    torch.Generator = Draws  # type: ignore[misc]
    try:
        with patch.dict(os.environ, {DEVICE: NAME}), Calling(), Computing() as gpu:
            yield gpu
    finally:
        torch.Generator = GENERATOR  # type: ignore[misc]
        torch._C._set_only_lift_cpu_tensors(lifted)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _lower(leaf: Any) -> Any:
    if isinstance(leaf, OnGpu) and leaf.dtype == torch.float32:
        return leaf.to(torch.get_autocast_dtype(NAME))
    return leaf


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, OnGpu) else leaf


def _on_gpu(leaf: Any) -> Any:
    return OnGpu(leaf) if isinstance(leaf, Tensor) else leaf


def _refuse_both(function: Any, read: Any, wrote: Any, to_gpu: bool) -> None:
    """No operation takes tensors of both devices, but single numbers of the CPU."""
    tensors = [leaf for leaf in tree_leaves(read) if _is_tensor(leaf)]
    on_cpu = [tensor for tensor in tensors if not isinstance(tensor, OnGpu)]
    if len(on_cpu) == len(tensors) and to_gpu:
        return  # made on the GPU in the likeness of a tensor of the CPU
    if any(t.dim() or any(t is changed for changed in wrote) for t in on_cpu):
        raise RuntimeError(
            f"{function}: expected all tensors to be on the same device, but found at "
            f"least two devices, {NAME}:0 and cpu"
        )


def _fills(function: Any, args: Any) -> bool:
    """Whether a mask is filled with one number, for which no one counts the places."""
    return "index_put" in function._schema.name and args[2].numel() == 1


def _changed(function: Any, args: Any, kwargs: Any) -> list[Any]:
    """The arguments that an operation writes to and gives back."""
    changed = []
    for place, argument in enumerate(function._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            changed.append(
                args[place] if place < len(args) else kwargs.get(argument.name)
            )
    return changed


def _where() -> str:
    """The line of the project that asked."""
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(str(ROOT / "pipeline_steps")):
            return f"{name.removeprefix(f'{ROOT}/')}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"
