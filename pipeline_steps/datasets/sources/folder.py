"""Photographs that the user has, in a folder or an archive for each class."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import counted
from pipeline_steps.datasets import albums
from pipeline_steps.datasets.canonical import Decoded, Split
from pipeline_steps.datasets.photographs import Photograph, Photographs
from pipeline_steps.datasets.places import ENTRY, MIRROR, local, places
from pipeline_steps.datasets.spec import DatasetSpec

Albums = albums.Folder | albums.Archive
SHOWN = 3


class Folder:
    """Image files in a folder or a `.tar` for each class; they are indexed, not copied."""

    def __init__(
        self,
        groups: list[dict[str, list[str]]] | None = None,
        within: list[str] | None = None,
        test_within: list[str] | None = None,
        fit: Literal["stretch", "crop"] = "crop",
    ) -> None:
        # One class of several folders each; a list, since the order makes the labels.
        self.groups = [pair for group in groups or [] for pair in group.items()]
        inside = within or ["."]
        self.within = {"train": inside, "test": test_within} if test_within else {}
        self.within = self.within or {"all": inside}
        self.fit = fit

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        """Writes the index: every file of the set, with its digest, in order."""
        with target.open("w", encoding="utf-8") as index:
            for split in self.within:
                album = self._find(split, spec)
                for photograph in _indexed(album, self._made_of(album), spec.name):
                    index.write(json.dumps([split, *photograph]) + "\n")

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        rows: dict[str, list[Photograph]] = {split: [] for split in self.within}
        with archive.open(encoding="utf-8") as index:
            for line in index:
                split, *photograph = json.loads(line)
                rows[split].append(Photograph(*photograph))
        used = {row.album for split in rows.values() for row in split}
        classes = self.groups or [(album, [album]) for album in sorted(used)]
        label = {
            album: i for i, (_, made_of) in enumerate(classes) for album in made_of
        }
        splits = {}
        for split, which in rows.items():
            photographs = self._find(split, spec)
            labels = np.array([label[row.album] for row in which], np.int64)
            splits[split] = Split(
                Photographs(which, photographs.read, spec, self.fit), labels
            )
        return Decoded(splits, [name for name, _ in classes])

    def _made_of(self, album: Albums) -> list[str]:
        return [a for _, made_of in self.groups for a in made_of] or album.classes()

    def _find(self, split: str, spec: DatasetSpec) -> Albums:
        """Where the classes of a split lie: at the first place that has them all."""
        reasons = []
        for location in places():
            folder = local(location)
            if folder is None:
                reasons.append(f"{location} is no folder")
                continue
            near = (folder / spec.name, folder)
            for root in (n / inside for n in near for inside in self.within[split]):
                album = albums.album_at(root)
                lacking = self._lacking(album, spec) if album else "is not there"
                if album and not lacking:
                    return album
                reasons.append(f"{root} {lacking}")
        why = "; ".join(reasons) or "no place to look at is known"
        raise PipelineError(
            f"{os.environ.get(ENTRY, spec.name)}: its images were not found ({why}); name "
            f"the folder that holds them under `places` there, or in {MIRROR}"
        )

    def _lacking(self, album: Albums, spec: DatasetSpec) -> str:
        there = album.classes()
        missing = sorted(set(self._made_of(album)) - set(there))
        if missing:
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            return f"holds no {', '.join(missing[:SHOWN])}{more}"
        if not self.groups and len(there) != spec.classes:
            return f"holds {len(there)} classes, not the {spec.classes} of `classes`"
        return ""


def _indexed(album: Albums, made_of: Sequence[str], name: str) -> Iterator[Photograph]:
    for i, _ in counted(f"{name}: classes indexed", len(made_of)):
        files = album.files(made_of[i])
        if not files:
            raise PipelineError(f"the class {made_of[i]} of {name} holds no images")
        for file in files:
            content = album.read(made_of[i], file)
            digest = hashlib.sha256(content).hexdigest()
            yield Photograph(made_of[i], file, len(content), digest)
