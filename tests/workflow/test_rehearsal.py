"""A part of the rehearsal: one job of each kind, in each of its variants."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from workflow_house import House

pytestmark = pytest.mark.xdist_group("workflow")

RESULTS = "results/rehearsal"
VERDICTS = {
    "no attack": "digits-32/normal/clean",
    "AutoAttack": "digits-32/at/autoattack",
    "RayS of the deployed defense": "digits-32/atld/rays40k-adaptive",
    "transfer": "digits-32/at/pgd20-from-normal",
    "IMT, gray box": "digits-32/atld/pgd20",
    "IMT, adaptive": "digits-32/atld/pgd20-adaptive",
    "another seed": "digits-32/at@1/pgd20",
    "best weights": "digits-32/at-watched.best/pgd20",
    "a flow, in shards": "digits-32/ijsat/jsa50",
    "a GAN with sought latents": "digits-32/at/om-pgd-gan",
    "a GAN that grew": "om-digits-32/om-at-fgsm/om-pgd-gan",
    "trained elsewhere": "digits-32/at-om.from-om-digits-32/snow",
    "one level of four": "digits-32/normal/ia4",
    "a candidate of a calibration": "digits-32/at/jpeg-linf-cifar-level2-200-targeted",
    "frost": "digits-32.frost/normal/clean",
    "another corruption": "digits-32.glass_blur/at/clean",
}
OTHERS = {
    "snapshots": "curves/digits-32/at/pgd20.parquet",
    "Grad-CAM": "explanations/digits-32/at/pgd20.safetensors",
    "a calibration": "papers/ijsat/calibration-l2.csv",
    "a figure": "papers/ijsat/figure6.png",
}
TARGETS = [f"{RESULTS}/verdicts/{name}.parquet" for name in VERDICTS.values()]
TARGETS += [f"{RESULTS}/{file}" for file in OTHERS.values()]


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """The project after these jobs, and what was said at the end."""
    house = House.fresh(tmp_path_factory.mktemp("rehearsal") / "house")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline_steps.cli", "run", "--keep-going"),
            *("--scale", "rehearsal", *TARGETS),
        ],
        cwd=house.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return house, done.stderr


def verdicts(house, variant):
    return pd.read_parquet(
        f"{house.root}/{RESULTS}/verdicts/{VERDICTS[variant]}.parquet"
    )


def card(house, variant):
    file = f"{RESULTS}/cards/verdicts/{VERDICTS[variant]}.json"
    return json.loads((house.root / file).read_text())


def test_all_of_it_runs_and_the_end_says_so(rehearsal):
    house, said = rehearsal
    assert " jobs done, 0 failed, 0 left, in " in said
    assert all((house.root / file).is_file() for file in TARGETS)


@pytest.mark.parametrize("variant", VERDICTS)
def test_every_image_is_judged(rehearsal, variant):
    images = 8 if variant == "one level of four" else 44  # few, for a picture
    severities = 5 if "." in VERDICTS[variant].partition("/")[0] else 1
    assert len(verdicts(rehearsal[0], variant)) == severities * images


def test_each_variant_is_what_it_says(rehearsal):
    house, _ = rehearsal
    parts = {"clean", "apgd-ce", "apgd-t", "fab-t", "square", "none"}
    assert set(verdicts(house, "AutoAttack")["broken_by"]) <= parts
    assert verdicts(house, "RayS of the deployed defense")["used"].max() <= 20
    gray, adaptive = (
        card(house, name)["metrics"] for name in ("IMT, gray box", "IMT, adaptive")
    )
    assert gray["optimises_at_inference"] and not gray["attack_saw_inference"]
    assert adaptive["optimises_at_inference"] and adaptive["attack_saw_inference"]
    assert card(house, "best weights")["spec"]["weights"] == "best"
    assert card(house, "another seed")["spec"]["seed"] == 1
    spec = card(house, "one level of four")["spec"]["threat"]
    assert (spec["edit"]["level"], spec["steps"]) == (4, 2)
    curve = pd.read_parquet(house.root / RESULTS / OTHERS["snapshots"])
    assert curve["epoch"].nunique() == 8
