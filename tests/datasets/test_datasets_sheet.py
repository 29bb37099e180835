"""A contact sheet shows the first images of every class, in the row of its name."""

import numpy as np
import pytest
from PIL import Image

from pipeline_steps.core.card import read_card
from pipeline_steps.datasets.sheet import GAP, NAME, ROWS, THUMB, contact_sheet


def shades(classes, size, per_class=3):
    """Images of one grey for each class."""
    labels = np.tile(np.arange(classes), per_class)
    grey = (labels * 255 // classes).astype(np.uint8)
    images = np.broadcast_to(grey[:, None, None, None], (len(labels), 3, size, size))
    return images, labels


def centre(row, column, per_class):
    """The middle of an image, by its class and its place in the row."""
    block = NAME + per_class * (THUMB + GAP) + GAP
    left = row // ROWS * block + GAP + NAME + column * (THUMB + GAP)
    return left + THUMB // 2, row % ROWS * (THUMB + GAP) + GAP + THUMB // 2


@pytest.mark.parametrize(("classes", "size"), [(1, 8), (10, 16), (100, 32), (3, 256)])
def test_every_class_has_its_row(classes, size):
    images, labels = shades(classes, size)
    names = [f"class {i}" for i in range(classes)]
    sheet = contact_sheet(images, labels, names, per_class=4)
    for row in range(classes):
        for column in range(3):
            shade = row * 255 // classes
            assert sheet.getpixel(centre(row, column, 4)) == (shade, shade, shade)
        assert sheet.getpixel(centre(row, 3, 4)) == (255, 255, 255), "no fourth image"


def test_images_of_one_colour_are_grey():
    images, labels = shades(2, 8)
    sheet = contact_sheet(images[:, :1], labels, ["a", "b"], per_class=1)
    assert sheet.getpixel(centre(1, 0, 1)) == (127, 127, 127)


def test_the_step_draws_what_the_card_names(toy_files, toy_dataset, tmp_path, run_step):
    card = read_card(toy_files["card"])
    card.metrics["names"] = ["left", "middle", "right"]
    card.write(tmp_path / "named.json")
    inputs = {f"{w}_card": tmp_path / "named.json" for w in ("images", "labels")}
    inputs |= {w: toy_files[f"train_{w}"] for w in ("images", "labels")}
    spec = {"dataset": toy_dataset, "per_class": 5}
    outputs = {"sheet": tmp_path / "sheet.png", "card": tmp_path / "card.json"}
    ended = run_step("datasets.show_dataset", spec, outputs, inputs=inputs)
    assert ended.returncode == 0, ended.stderr
    with Image.open(outputs["sheet"]) as sheet:
        assert sheet.size == (NAME + 5 * (THUMB + GAP) + GAP, 3 * (THUMB + GAP) + GAP)
