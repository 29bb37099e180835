"""The device is deterministic, and to make it so doesn't load torch's compiler."""

import os
import subprocess
import sys

from pipeline_steps.core.registry import ROOT

PROGRAM = """
import sys, torch
from pipeline_steps.core.device import prepare_device

prepare_device()
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
assert not {"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)

import torch._inductor.config as compiler
assert compiler.deterministic

# Nor does it matter which of the two comes first.
compiler.deterministic = False
prepare_device()
assert compiler.deterministic
"""


def test_a_device_is_deterministic_compiler_included_and_loads_no_compiler():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
