"""Photographs in folders or archives of the user's own; Mixed-10 from ImageNet's."""

import csv
import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.datasets.canonical import SPLITS, Split, check, cut_off_test
from pipeline_steps.datasets.photographs import decode
from pipeline_steps.datasets.spec import Cut, DatasetSpec
from pipeline_steps.jobs.specs import Specs

TOY = DatasetSpec(name="toy", classes=3, size=8)
COLOURS = {"ant": (200, 10, 10), "bee": (10, 200, 10), "cow": (10, 10, 200)}


def jpeg(colour=(9, 99, 199), size=(20, 12), mode="RGB", form="JPEG"):
    image = Image.new("RGB", size, tuple(colour)).convert(mode)
    out = io.BytesIO()
    image.save(out, form, **({"quality": 95} if form == "JPEG" else {}))
    return out.getvalue()


def put(folder, count=4):
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f"{name}_{i}.JPEG").write_bytes(jpeg(colour))
    return folder


@pytest.fixture
def look_at(monkeypatch):
    def look_at(*places):
        monkeypatch.setenv("DATASETS_MIRROR", ",".join(map(str, places)))

    return look_at


def folder(**settings):
    return make("source", {"source": "folder", **settings})


def fetched(source, tmp_path, spec=TOY):
    source.fetch(tmp_path / "index", spec)
    return tmp_path / "index"


def tarred(folder, target):
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder))


def as_folders(folder, place):
    shutil.copytree(folder, place, dirs_exist_ok=True)


def as_archives(folder, place):
    for inside in folder.iterdir():
        tarred(inside, place / f"{inside.name}.tar")


def as_archive(folder, place):
    tarred(folder, place / "all.tar")


def as_archive_of_archives(folder, place):
    """As ImageNet's training set is published."""
    (place.parent / "between").mkdir()
    as_archives(folder, place.parent / "between")
    tarred(place.parent / "between", place / "all.tar")


FORMS = [as_folders, as_archives, as_archive, as_archive_of_archives]


@pytest.mark.parametrize("form", FORMS)
def test_folders_and_archives_give_one_index_and_the_same_images(
    look_at, tmp_path, form
):
    put(tmp_path / "whole")
    (tmp_path / "place").mkdir()
    form(tmp_path / "whole", tmp_path / "place")
    (tmp_path / "place" / "notes.txt").write_text("no class")
    source = folder(within=["all.tar", "."])
    look_at(tmp_path / "whole")
    expected = fetched(source, tmp_path).read_bytes()
    look_at(tmp_path / "none", tmp_path / "place")
    index = fetched(source, tmp_path)
    assert index.read_bytes() == expected
    assert str(tmp_path) not in expected.decode(), "an index names no place"
    assert index.stat().st_size < 12 * 200, "nothing is copied"
    decoded = source.decode(index, TOY)
    whole = decoded.splits["all"]
    check(whole, TOY, "all")
    assert decoded.names == ["ant", "bee", "cow"]
    assert whole.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    images = np.asarray(whole.images)
    assert images.shape == (12, 3, 8, 8)
    assert (images.argmax(axis=1) == whole.labels[:, None, None]).all()


def test_groups_make_the_labels_in_their_order_and_leave_others_out(look_at, tmp_path):
    put(tmp_path / "place")
    look_at(tmp_path / "place")
    source = folder(groups=[{"milk": ["cow"]}, {"insect": ["bee", "ant"]}])
    decoded = source.decode(fetched(source, tmp_path), TOY)
    assert decoded.names == ["milk", "insect"]
    assert decoded.splits["all"].labels.tolist() == [0] * 4 + [1] * 8
    source = folder(groups=[{"insect": ["bee"]}])
    decoded = source.decode(fetched(source, tmp_path), TOY)
    assert {row.album for row in decoded.splits["all"].images.which} == {"bee"}


def test_a_set_with_folders_for_testing_keeps_its_own_split(look_at, tmp_path):
    put(tmp_path / "place/toy/train", 3)
    put(tmp_path / "place/toy/val", 2)
    look_at(tmp_path / "place")
    source = folder(within=["train"], test_within=["val"])
    splits = source.decode(fetched(source, tmp_path), TOY).splits
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 9,
        "test": 6,
    }


def test_what_is_not_found_is_told_with_the_remedy(look_at, tmp_path):
    place = put(tmp_path / "place")
    look_at(place, tmp_path / "none", "https://example.invalid/x")
    with pytest.raises(PipelineError) as caught:
        fetched(folder(groups=[{"a": ["ant", "dog", "eel"]}]), tmp_path)
    told = str(caught.value)
    assert f"{place} holds no dog, eel" in told
    assert f"{tmp_path}/none is not there" in told
    assert "https://example.invalid/x is no folder" in told
    assert told.endswith("under `places` there, or in DATASETS_MIRROR")
    (place / "dog").mkdir()
    with pytest.raises(PipelineError, match="holds 4 classes, not the 3 of `classes`"):
        fetched(folder(), tmp_path)
    look_at(place)
    with pytest.raises(PipelineError, match="the class dog of toy holds no images"):
        fetched(folder(groups=[{"a": ["dog"]}]), tmp_path)


def test_a_file_that_changes_after_it_was_indexed_is_named(look_at, tmp_path):
    place = put(tmp_path / "place")
    look_at(place)
    source = folder()
    index = fetched(source, tmp_path)
    images = source.decode(index, TOY).splits["all"].images
    (place / "bee" / "bee_1.JPEG").write_bytes(jpeg())
    with pytest.raises(PipelineError, match=r"bee/bee_1\.JPEG is no longer the file"):
        np.asarray(images)
    (place / "bee" / "bee_1.JPEG").unlink()
    with pytest.raises(PipelineError, match=r"no longer has bee/bee_1\.JPEG"):
        np.asarray(images)
    assert np.asarray(images[:4]).shape == (4, 3, 8, 8), "others are not asked for"


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("L", "PNG"),
        ("RGB", "WEBP"),
    ],
)
def test_images_of_every_mode_come_in_three_colours(mode, form):
    grey = (128, 128, 128)
    image = decode(jpeg(grey, mode=mode, form=form), "x", TOY, "stretch")
    assert image.shape == (3, 8, 8) and image.dtype == np.uint8
    if mode != "1":
        assert np.abs(image.astype(int) - 128).max() <= 8


def test_one_colour_is_enough_for_a_set_of_greys():
    spec = TOY.model_copy(update={"channels": 1})
    assert decode(jpeg((50, 50, 50)), "x", spec, "crop").shape == (1, 8, 8)


def test_a_photograph_is_stretched_or_cropped_to_its_size():
    """A picture twice as wide as high, with red at its left and right."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :8, 0] = pixels[:, 24:, 0] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    stretched = decode(out.getvalue(), "x", TOY, "stretch")
    cropped = decode(out.getvalue(), "x", TOY, "crop")
    assert stretched[0, :, 0].min() > 200 and cropped.max() < 10


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_damaged_photograph_is_named(look_at, tmp_path, share):
    place = put(tmp_path / "place", 1)
    content = jpeg(size=(300, 200))
    (place / "bee" / "bee_0.JPEG").write_bytes(content[: int(share * len(content))])
    look_at(place)
    source = folder()
    whole = source.decode(fetched(source, tmp_path), TOY).splits["all"]
    with pytest.raises(PipelineError, match=r"^bee/bee_0\.JPEG can't be read as an im"):
        np.asarray(whole.images)


def peak_of_building(place, count, folder, run_step):
    """The most memory that building so many noisy photographs takes, in MiB."""
    (place / "ant").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for i in range(count):
        file = place / "ant" / f"{i}.jpg"
        if i < 3:
            pixels = draw.integers(0, 256, (300, 400, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(file)
        else:
            file.hardlink_to(place / "ant" / f"{i % 3}.jpg")
    spec = {
        "dataset": {"name": "toy", "classes": 1, "size": 256},
        "source": {"source": "folder", "fit": "stretch"},
    }
    there = {"DATASETS_MIRROR": str(place)}
    archive = {"archive": folder / "archive", "card": folder / "archive.json"}
    ended = run_step("datasets.fetch_dataset", spec, archive, environment=there)
    assert ended.returncode == 0, ended.stderr
    names = [f"{s}_{what}" for s in SPLITS for what in ("images", "labels")]
    outputs = {name: folder / f"{name}.npy" for name in names}
    outputs |= {role: folder / f"{role}.json" for role in ("card", "record")}
    inputs = {"archive": archive["archive"], "archive_card": archive["card"]}
    told = ("datasets.build_dataset", spec | {"cut": {"share": 0.1}}, outputs)
    ended = run_step(*told, inputs=inputs, environment=there)
    assert ended.returncode == 0, ended.stderr
    assert len(np.load(outputs["train_labels"])) == count - count // 10
    return json.loads(outputs["record"].read_text())["peak_memory_mb"]


def test_256_pixel_sets_are_built_in_memory_that_does_not_grow(tmp_path, run_step):
    few = peak_of_building(tmp_path / "few", 150, tmp_path / "a", run_step)
    many = peak_of_building(tmp_path / "many", 600, tmp_path / "b", run_step)
    assert many < 1024
    assert many - few < 40, "450 further images are 84 MiB"


MIXED10 = Specs(load_config("paper")).source("mixed10")


@pytest.fixture(scope="module")
def samples(shared_data):
    place = shared_data / "imagenet-samples"
    if not place.is_dir():
        pytest.skip(f"there are no photographs at {place}")
    with (place / "index.tsv").open() as file:
        return place, list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def mixed10(samples, tmp_path, look_at):
    """The sixty photographs as ImageNet's folders, and the set that is made of them."""
    place, rows = samples
    for row in rows:
        (tmp_path / "train" / row["wnid"]).mkdir(parents=True)
        shutil.copy(place / row["file"], tmp_path / "train" / row["wnid"])
    look_at(tmp_path)
    source = make("source", MIXED10.source)
    return source.decode(fetched(source, tmp_path, MIXED10.dataset), MIXED10.dataset)


def test_mixed_10_has_the_right_labels_for_all_ten_superclasses(samples, mixed10):
    whole = mixed10.splits["all"]
    told = {row["wnid"]: row["superclass"] for row in samples[1]}
    for photograph, label in zip(whole.images.which, whole.labels, strict=True):
        assert mixed10.names[label] == told[photograph.album]
    assert np.bincount(whole.labels).tolist() == [6] * 10
    order = "dog bird insect monkey car feline truck fruit fungus boat"
    assert mixed10.names == order.split()
    lowest = {}
    for row in samples[1]:
        lowest.setdefault(row["superclass"], []).append(int(row["imagenet_index"]))
    by_index = {r["wnid"]: int(r["imagenet_index"]) for r in samples[1]}
    found = [by_index[row.album] for row in whole.images.which]
    assert found == [i for name in mixed10.names for i in sorted(lowest[name])]


@pytest.mark.parametrize("rule", ["file_order", "iid"])
def test_mixed_10_is_cut_by_both_rules(mixed10, rule):
    cut = MIXED10.cut.model_copy(update={"rule": rule})
    splits = cut_off_test(mixed10.splits["all"], cut, "mixed10")
    for name, count in (("train", 5), ("test", 1)):
        check(splits[name], MIXED10.dataset, name)
        assert np.bincount(splits[name].labels).tolist() == [count] * 10
    tested = [row.album for row in splits["test"].images.which]
    last = [made_of[-1] for g in MIXED10.source["groups"] for made_of in g.values()]
    assert (tested == last) == (rule == "file_order")


@pytest.mark.parametrize("rule", ["file_order", "iid"])
def test_mixed_10_is_balanced_and_has_the_size_that_was_published(rule):
    """6,948 and 720 images of each superclass, though they have not equally many."""
    labels = np.repeat(np.arange(10), [7668, 7700, 7720, *[7800] * 7])
    whole = Split(np.arange(len(labels)), labels)
    cut = MIXED10.cut.model_copy(update={"rule": rule})
    splits = cut_off_test(whole, cut, "mixed10")
    for name, count in (("train", 6_948), ("test", 720)):
        assert np.bincount(splits[name].labels).tolist() == [count] * 10
    assert not {*splits["train"].images} & {*splits["test"].images}
    assert MIXED10.cut.rule == "file_order"


def test_mixed_10_may_keep_all_of_nine_tenths_for_training():
    """As DMAT's script does: then the superclasses are not of one size."""
    labels = np.repeat([0, 1], [7700, 7800])
    whole = Split(np.arange(len(labels)), labels)
    cut = MIXED10.cut.model_copy(update={"train_at_most": None})
    train = cut_off_test(whole, cut, "mixed10")["train"]
    assert np.bincount(train.labels).tolist() == [6930, 7020]


def test_the_photographs_are_those_that_pillow_shows(samples, mixed10):
    """Stretched to 256 pixels, as DMAT's script did."""
    place, rows = samples
    images = mixed10.splits["all"].images
    for i in (0, 17, 59):
        row = next(r for r in rows if r["wnid"] == images.which[i].album)
        with Image.open(place / row["file"]) as image:
            size = (256, 256)
            expected = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
        shown = np.asarray(images[i : i + 1])[0].transpose(1, 2, 0)
        assert (shown == np.asarray(expected)).all()


def test_an_index_is_one_line_a_photograph(look_at, tmp_path):
    look_at(put(tmp_path / "place"))
    lines = fetched(folder(), tmp_path).read_text().splitlines()
    assert len(lines) == 12
    split, album, file, size, digest = json.loads(lines[0])
    assert (split, album, file) == ("all", "ant", "ant_0.JPEG")
    assert size == (tmp_path / "place/ant/ant_0.JPEG").stat().st_size
    assert len(digest) == 64


def test_a_cut_needs_no_share_for_a_source_with_its_own_split():
    assert Specs(load_config("paper")).source("cifar10").cut == Cut()
