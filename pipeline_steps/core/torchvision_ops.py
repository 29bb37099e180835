"""Lets torchvision be imported beside a CPU build of torch.

Import this before torchvision, or before anything that imports it. Its compiled file is
linked to CUDA, so on a CPU build no operator is registered and the import fails; naming
the two operators that it asks for is enough for models, transforms and data sets.
"""

import importlib.util
from pathlib import Path

import torch


def _prepare() -> "torch.library.Library | None":
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        for library in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(library))
        return None
    except OSError:
        operators = torch.library.Library("torchvision", "DEF")
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            operators.define(name + schema)
        return operators


KEPT_ALIVE = _prepare()
