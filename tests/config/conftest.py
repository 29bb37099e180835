"""A copy of the config that a test may edit."""

import json
import shutil

import pytest
import yaml

from pipeline_steps.config.checks import FOLDER
from pipeline_steps.core.registry import ROOT

GONE = object()


@pytest.fixture
def config_root(tmp_path):
    """A project root that holds the config and nothing else."""
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    return tmp_path


@pytest.fixture
def edit(config_root):
    """Sets one value of a config file by its dotted place; GONE takes it away."""

    def edit(file, place, value):
        path = config_root / FOLDER / f"{file}.yaml"
        # By way of JSON, since anchors would share what is edited.
        content = json.loads(json.dumps(yaml.safe_load(path.read_text())))
        inside, *parts = content, *place.split(".")
        for part in parts[:-1]:
            inside = inside[int(part)] if isinstance(inside, list) else inside[part]
        last = int(parts[-1]) if isinstance(inside, list) else parts[-1]
        if value is GONE:
            del inside[last]
        else:
            inside[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    return edit


@pytest.fixture
def gone():
    return GONE
