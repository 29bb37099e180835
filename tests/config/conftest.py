"""A copy of the config that a test may edit."""

import shutil

import pytest
from yaml_edits import set_key

from pipeline_steps.config.yaml_files import FOLDER
from pipeline_steps.core.registry import ROOT


@pytest.fixture
def config_root(tmp_path):
    """A project root that holds the config and nothing else."""
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    return tmp_path


@pytest.fixture
def edit(config_root):
    """Sets one value of a config file by its dotted key; GONE takes it away."""

    def edit(file, key, value):
        set_key(config_root / FOLDER / f"{file}.yaml", key, value)

    return edit
