"""Where published files may lie: folders and addresses, tried in the order they are told.

A place never stands in a spec: where bytes came from changes no result, for every byte
is checked. It reaches a step by the environment, so that one setting serves a cluster.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True

MIRROR = "DATASETS_MIRROR"
# Where the config has the data set at hand, for those who must mend its entry.
ENTRY = "DATASET_ENTRY"
REMOTE = ("http", "https", "s3")


def places() -> list[str]:
    """The places in DATASETS_MIRROR, which commas separate."""
    named = (location.strip() for location in os.environ.get(MIRROR, "").split(","))
    return [location for location in named if location]


def local(location: str) -> Path | None:
    """The place as a path of this machine, if it is one."""
    scheme, _, rest = location.partition(":")
    if scheme == "file":
        return Path(url2pathname(urlsplit(location).path))
    if rest.startswith("//"):
        if scheme not in REMOTE:
            raise PipelineError(
                f"{MIRROR} names {location}; a place is a folder, or an address that "
                "begins with file:, http:, https: or s3:"
            )
        return None
    return Path(location).expanduser()
