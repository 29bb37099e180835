"""What can't be made before it is there is refused with the line that closes the circle."""

from pathlib import Path

import pytest

from pipeline_steps.config import checks
from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import Planner, RuleJob

DEMO, FEATURES = "scales/demo", "overrides.generators.sngan.projection.features"

# What is set in which files, what is said, and a training that would wait for itself.
CIRCLES = {
    "a data set from itself": (
        {("datasets", "om-digits.projected.dataset"): "om-digits"},
        "datasets.yaml: line … om-digits.projected: each of these is made from the "
        "next, in a circle: the images of om-digits, the images of om-digits",
        ("om-digits", "normal"),
    ),
    "two data sets from each other": (
        {
            ("datasets", "om-cifar10.projected.dataset"): "om-cifar100",
            ("datasets", "om-cifar100.projected.dataset"): "om-cifar10",
        },
        "datasets.yaml: line … om-cifar10.projected: … the images of om-cifar10, the "
        "images of om-cifar100, the images of om-cifar10",
        ("om-cifar10", "normal"),
    ),
    "features of a defense that is trained on the projections": (
        {(DEMO, FEATURES): "dmat"},
        "scales/demo.yaml: line … overrides.generators.sngan.projection.features: … the "
        "projection of digits onto sngan, dmat trained on digits, the projection of digits "
        "onto sngan",
        ("digits", "dmat"),
    ),
    "features of two generators that need each other": (
        {
            (DEMO, FEATURES): "om-at-fgsm",
            (DEMO, "overrides.generators.stylegan.projection.features"): "dmat",
            ("threats", "om-fgsm-gan.edit.generator"): "stylegan",
        },
        "scales/demo.yaml: line … features: … the projection of digits onto stylegan, dmat "
        "trained on digits, the projection of digits onto sngan, om-at-fgsm trained on "
        "digits, the projection of digits onto stylegan",
        ("digits", "dmat"),
    ),
    "a threat of itself": (
        {("threats", "fgsm-from-normal.attack.threat"): "fgsm-from-normal"},
        "threats.yaml: line … fgsm-from-normal: … the threat fgsm-from-normal, the threat "
        "fgsm-from-normal",
        None,
    ),
}
NO_CIRCLES = {
    "features of a defense that is trained on other images": {(DEMO, FEATURES): "at"},
    "a flow on a manifold": {("datasets", "om-digits.gan"): "glow"},
    "each generator's features of a defense through the other": {
        (DEMO, FEATURES): "normal",
        (DEMO, "overrides.generators.stylegan.projection.features"): "dmat",
    },
}
IDS = {"argvalues": CIRCLES.values(), "ids": CIRCLES.keys()}


@pytest.mark.parametrize(("edits", "told", "training"), **IDS)
def test_a_circle_is_refused_with_its_line(config_root, edit, edits, told, training):
    for (file, key), value in edits.items():
        edit(file, key, value)
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    text = str(caught.value)
    for part in told.split(" … "):
        assert part in text, text
    line = int(text.partition(": line ")[2].partition(",")[0])
    file = Path(text.partition(": line")[0])
    written = (config_root / file).read_text().splitlines()[line - 1]
    last = text.partition(", ")[2].partition(":")[0].rpartition(".")[2]
    assert written.strip().startswith(f"{last}:")


@pytest.mark.parametrize(("edits", "told", "training"), **IDS)
def test_what_is_refused_would_have_waited_for_itself(
    config_root, edit, monkeypatch, edits, told, training
):
    """Without the check, by the inputs that Snakemake is told."""
    if training is None:
        pytest.skip("its settings hold themselves, so they have no end")
    monkeypatch.setattr(checks, "cycles", lambda config: [])
    for (file, key), value in edits.items():
        edit(file, key, value)
    planner = Planner("demo", config_root)
    assert waits_for_itself(planner, planner.job("train_defense", *training))


@pytest.mark.parametrize("edits", NO_CIRCLES.values(), ids=NO_CIRCLES.keys())
def test_what_ends_is_not_refused(config_root, edit, edits):
    for (file, key), value in edits.items():
        edit(file, key, value)
    planner = Planner("demo", config_root)
    for dataset in ("digits", "om-digits"):
        for defense in planner.specs.config.defenses.defenses:
            job = planner.job("train_defense", dataset, defense)
            assert not waits_for_itself(planner, job)


def waits_for_itself(planner: Planner, start: RuleJob) -> bool:
    """Whether a job's inputs are made from what it makes."""
    done, waiting = set[RuleJob](), set[RuleJob]()

    def search(job: RuleJob) -> bool:
        if job in waiting:
            return True
        if job in done:
            return False
        waiting.add(job)
        taken = [file for t in job.inputs.values() for file in t.cards or t.files or []]
        if any(search(planner.that_makes(file)) for file in taken):
            return True
        waiting.remove(job)
        done.add(job)
        return False

    return search(start)
