"""torchvision can be imported beside any build of torch."""

import os
import subprocess
import sys

from pipeline_steps.core.registry import ROOT

PROGRAM = """
import pipeline_steps.core.torchvision_ops
import torch
from torchvision.models import resnet18
from torchvision.transforms.functional import rotate

images = rotate(torch.rand(2, 3, 32, 32), 30.0)
print(tuple(resnet18(num_classes=5).eval()(images).shape))
"""


def test_torchvision_works_after_our_import():
    """In a process of its own, since another test may have imported it already."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "(2, 5)"
