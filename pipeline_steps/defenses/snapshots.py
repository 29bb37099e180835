"""Weights kept on the way, so that any threat can draw its curve over training later."""

from pathlib import Path

from torch import Tensor, nn

from pipeline_steps.core.tensors import read_tensors, write_tensors


def kept_epochs(epochs: int, snapshots: int) -> set[int]:
    """Evenly spaced epochs, the last one among them."""
    return {round(epochs * (i + 1) / snapshots) for i in range(snapshots)} - {0}


def keep(model: nn.Module, folder: Path, epoch: int) -> None:
    write_tensors(folder / f"epoch-{epoch:05}.safetensors", model.state_dict())


def gather(folder: Path, place: Path) -> None:
    """All that was kept, in one file: each name begins with its epoch."""
    kept = {
        f"{int(path.stem.partition('-')[2])}/{name}": tensor
        for path in sorted(folder.glob("epoch-*.safetensors"))
        for name, tensor in read_tensors(path).items()
    }
    write_tensors(place, kept)


def by_epoch(path: Path) -> dict[int, dict[str, Tensor]]:
    """The weights of each kept epoch."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(path).items():
        epoch, _, inside = name.partition("/")
        found.setdefault(int(epoch), {})[inside] = tensor
    return dict(sorted(found.items()))
