"""`evaluate` tells what a pipeline's verdicts tell, of any model, and says what is wrong."""

import doctest
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.evaluation.verdicts import Judge
from robust_papers import Evaluation, evaluate, evaluation, load_threat

COUNT, CLASSES = 24, 3
BRIGHTER = 0.15
"""How much brighter the image's part of its class is: PGD's 8/255 flips some."""


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    """Images in which the brightest channel is the class."""
    draw = rng(0, "images")
    labels = torch.arange(COUNT) % CLASSES
    images = 0.4 + 0.2 * draw.uniform([COUNT, CLASSES, 8, 8])
    images[torch.arange(COUNT), labels] += BRIGHTER * draw.uniform([COUNT, 1, 1])
    return images, labels


class Brightest(nn.Module):
    """Knows the class but for what the convolution makes of it; has batch norm to fold."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(CLASSES, CLASSES, 3, padding=1)
            self.norm = nn.BatchNorm2d(CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        noise = self.norm(self.convolution(images)).mean(dim=(2, 3))
        return 10 * images.mean(dim=(2, 3)) + 0.1 * noise


def result_of(model, data, **options) -> Evaluation:
    return evaluate(model, ["fgsm", "pgd5"], data, progress=False, **options)


def test_the_example_is_true() -> None:
    outcome = doctest.testmod(evaluation)
    assert outcome.attempted == 7
    assert not outcome.failed


def test_it_gives_the_verdicts_of_the_pipeline_in_any_batches(data) -> None:
    model = Brightest()
    result = result_of(model, data, batch=7)
    pgd5 = load_threat("pgd5").threat
    judged = Judge(model.eval(), ImageSet(*data), pgd5, seed=0)(range(COUNT)).table()
    for name, column in judged.items():
        ours = result["pgd5"].predictions[name]
        assert np.allclose(ours.astype(float), column.astype(float), atol=1e-5), name
    assert 0 < result.accuracy("pgd5") < result.accuracy("clean")


def test_the_worst_case_counts_images_that_withstand_all(data) -> None:
    result = result_of(Brightest(), data)
    each = [result[name].correct for name in ("clean", "fgsm", "pgd5")]
    assert (result["worst case"].correct == np.logical_and.reduce(each)).all()
    frame = result.to_frame()
    assert list(frame["threat"]) == ["clean", "fgsm", "pgd5", "worst case"]
    assert (
        (frame["low"] <= frame["accuracy"]) & (frame["accuracy"] <= frame["high"])
    ).all()
    assert f"pgd5: {result.accuracy('pgd5'):.2f} %" in str(result)


def test_the_model_stays_as_it_was(data) -> None:
    model = Brightest().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result_of(model, data)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], v) for name, v in model.state_dict().items())


def test_a_function_is_judged_as_its_network_is(data) -> None:
    model = Brightest().eval()
    network = result_of(model, data)
    function = result_of(lambda images: model(images), data, precision="bfloat16")
    for name in network.results:
        assert (network[name].correct == function[name].correct).all()


def test_a_model_that_can_t_be_copied_is_judged_as_one_that_can(data) -> None:
    model = Brightest()
    plain = result_of(model, data)
    model.lock = threading.Lock()
    locked = result_of(model.train(), data)
    assert (plain["pgd5"].correct == locked["pgd5"].correct).all()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_runs_where_gradients_are_off(data, mode) -> None:
    model = Brightest()
    expected = result_of(model, data)
    with mode():
        images, labels = data[0].clone(), data[1].to(torch.int32)
        result = result_of(model, (images, labels))
        attacked = load_threat("pgd5")(model)(images, labels)
    assert (result["pgd5"].correct == expected["pgd5"].correct).all()
    assert 0 < (attacked - images).abs().max() <= 8 / 255 + 1e-6


def test_arrays_count_as_tensors(data) -> None:
    arrays = tuple(part.numpy() for part in data)
    assert (
        result_of(Brightest(), arrays)
        .to_frame()
        .equals(result_of(Brightest(), data).to_frame())
    )


def test_a_masked_gradient_raises_a_flag(data) -> None:
    class Rounded(Brightest):
        def forward(self, images: Tensor) -> Tensor:
            levels = (images * 8).round() / 8
            return super().forward(levels + 0 * images)

    flags = result_of(Rounded(), data).red_flags
    assert any("no gradient at 100 %" in flag for flag in flags), flags


def test_answers_that_differ_raise_a_flag(data) -> None:
    draw = torch.Generator().manual_seed(0)

    class Random(Brightest):
        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            return logits + torch.rand(logits.shape, generator=draw)

    flags = result_of(Random(), data).red_flags
    assert "the defense gives different answers to the same image" in flags


def test_a_model_that_was_made_without_gradients_is_told_so(data) -> None:
    with torch.inference_mode():
        model = Brightest()
    with pytest.raises(PipelineError, match=r"made under torch\.inference_mode"):
        result_of(model, data)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"threats": "pgd21"}, "there is no threat 'pgd21'; did you mean 'pgd20'"),
        ({"threats": "jsa10"}, "edits the latents of glow"),
        ({"data": "cifar11"}, "there is no dataset 'cifar11'"),
        ({"data": 7}, "a data set's name or a pair"),
        ({"count": 0}, "evaluate at least one image"),
        ({"model": "resnet18"}, "a model is a torch.nn.Module or a function of images"),
        ({"model": nn.Linear}, "call it to make one"),
        ({"model": lambda images: images}, "one row of logits for each image"),
        ({"model": lambda images: (images, 1)}, "it gave tuple"),
        ({"model": lambda images: images.mean((2, 3)).detach()}, "have no gradient"),
        ({"labels": torch.full((COUNT,), 3)}, "model has 3 classes"),
        ({"labels": torch.zeros(COUNT)}, "one class number for each image"),
        ({"labels": torch.eye(COUNT)}, r"write labels.argmax\(1\)"),
        ({"labels": torch.zeros(COUNT - 1).long()}, "24 images came with 23 labels"),
        ({"images": lambda x: (255 * x).byte()}, r"write images.float\(\) / 255"),
        ({"images": lambda x: 255 * x}, r"must be in \[0, 1\]"),
        ({"images": lambda x: x[:, 0]}, "images have the shape"),
        ({"images": lambda x: x.long()}, "images are floats"),
        ({"images": lambda x: [None] * COUNT}, "must be a tensor or an array"),
        ({"images": lambda x: x[:0]}, "there are no images"),
        ({"latents": np.zeros((COUNT, 2))}, "latents belong to a generator"),
    ],
)
def test_what_is_wrong_is_a_sentence(data, changed, says) -> None:
    images, labels = data
    if "images" in changed:
        images = changed.pop("images")(images)
    if "labels" in changed:
        labels = changed.pop("labels")
    call = {"model": Brightest(), "threats": "fgsm", "data": (images, labels)}
    with pytest.raises(PipelineError, match=says):
        evaluate(**{**call, **changed}, progress=False)
