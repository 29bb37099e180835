"""Weights kept during training: of some epochs, for curves, and the best."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tensors import read_tensors, write_tensors

BEST = "best"


def keep(model: nn.Module, folder: Path, epoch: int) -> None:
    write_tensors(folder / f"epoch-{epoch:05}.safetensors", model.state_dict())


def gather(folder: Path, place: Path, best: Mapping[str, Tensor]) -> None:
    """All kept weights in one file; each name begins with its epoch."""
    kept = {
        f"{int(path.stem.partition('-')[2])}/{name}": tensor
        for path in sorted(folder.glob("epoch-*.safetensors"))
        for name, tensor in read_tensors(path).items()
    }
    write_tensors(place, kept | {f"{BEST}/{name}": t for name, t in best.items()})


def by_epoch(path: Path) -> dict[int, dict[str, Tensor]]:
    """The weights of each kept epoch."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(path).items():
        epoch, _, inside = name.partition("/")
        if epoch == BEST:
            continue
        states.setdefault(int(epoch), {})[inside] = tensor
    return dict(sorted(states.items()))


def best_of(path: Path) -> dict[str, Tensor]:
    """The weights of the most robust epoch."""
    begin = f"{BEST}/"
    every = read_tensors(path).items()
    weights = {n.removeprefix(begin): t for n, t in every if n.startswith(begin)}
    if not weights:
        raise PipelineError(
            f"{path} keeps no best weights; set `monitor` of this defense in "
            "workflow/config/defenses.yaml"
        )
    return weights
