"""The loop that all recipes share: its schedule, its order, its end, its networks."""

import pytest
import torch

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, words
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.defenses import schedules, snapshots
from pipeline_steps.defenses.load import load_model, new_model
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.defenses.train_defense import BatchOrder, train_defense

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("epochs", "count", "kept"),
    [
        (120, 12, set(range(10, 121, 10))),
        (15, 8, {2, 4, 6, 8, 9, 11, 13, 15}),
        (3, 8, {1, 2, 3}),
        (5, 1, {5}),
        (5, 0, set()),
    ],
)
def test_kept_epochs_are_evenly_spaced_with_the_last_among_them(epochs, count, kept):
    assert schedules.kept_epochs(epochs, count) == kept


def test_epochs_before_and_after_each_drop_are_kept_beside_them():
    schedule = Schedule(epochs=120, batch=8, learning_rate=0.1, drops=[74, 89, 99])
    kept = schedules.kept_around_drops(schedule, 12)
    assert kept == sorted({74, 75, 89, 90, 99, 100, *range(10, 121, 10)})
    assert schedules.kept_epochs(120, kept) == set(kept)
    assert schedules.kept_around_drops(schedule, 0) == []
    last = Schedule(epochs=5, batch=8, learning_rate=0.1, drops=[5])
    assert schedules.kept_around_drops(last, 1) == [5]


def test_an_epoch_sees_each_image_at_most_once_in_an_order_of_its_own(toy_images):
    schedule = Schedule(epochs=2, batch=10, learning_rate=0.1)
    batch_order = BatchOrder(toy_images, schedule, seed=0)
    assert (batch_order.steps_of_epoch, batch_order.steps) == (4, 8)
    epochs = [torch.cat([batch_order.rows(e, s) for s in range(4)]) for e in range(2)]
    assert all(len(rows.unique()) == 40 for rows in epochs)
    assert not torch.equal(*epochs)
    fresh = BatchOrder(toy_images, schedule, seed=0)
    assert torch.equal(fresh.rows(1, 2), batch_order.rows(1, 2))


def test_a_batch_wider_than_the_data_is_one_step_of_all(toy_images):
    batch_order = BatchOrder(
        toy_images, Schedule(epochs=3, batch=99, learning_rate=1), seed=0
    )
    assert batch_order.steps == 3
    assert sorted(batch_order.rows(0, 0).tolist()) == list(range(48))


def same_weights(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(s, t) for (a, s), (b, t) in pairs)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(
    recipe_name, spec_of, toy_images, toy_generator, tmp_path
):
    def train(folder, seed):
        spec = spec_of(recipe_name).model_copy(update={"seed": seed})
        generators = {"toy": toy_generator}
        return train_defense(spec, toy_images, generators, tmp_path / folder, CPU)

    one, losses = train("one", seed=0)
    torch.rand(5)
    two, again = train("two", seed=0)
    assert losses == again
    assert same_weights(one, two)
    assert not same_weights(one, train("three", seed=1)[0])
    assert not one.training


def test_snapshots_are_the_weights_on_the_way(spec_of, toy_images, tmp_path):
    spec = spec_of("normal", snapshots=4)
    whole, _ = train_defense(spec, toy_images, {}, tmp_path / "whole", CPU)
    short = spec_of("normal", snapshots=4, epochs=2)
    half, _ = train_defense(short, toy_images, {}, tmp_path / "half", CPU)
    snapshots.gather(tmp_path / "whole", tmp_path / "kept.safetensors", {})
    kept = snapshots.by_epoch(tmp_path / "kept.safetensors")
    assert list(kept) == [1, 2, 3, 4]
    for epoch, model in ((2, half), (4, whole)):
        assert all(
            torch.equal(kept[epoch][n], t) for n, t in model.state_dict().items()
        )


def test_a_defense_that_keeps_nothing_leaves_an_empty_file(tmp_path):
    snapshots.gather(tmp_path, tmp_path / "kept.safetensors", {})
    assert snapshots.by_epoch(tmp_path / "kept.safetensors") == {}


def test_a_loss_that_is_no_number_ends_in_one_sentence(spec_of, toy_images, tmp_path):
    spec = spec_of("normal", learning_rate=1e30)
    with pytest.raises(
        PipelineError, match=r"loss is (nan|inf) in epoch \d, step \d; low"
    ):
        train_defense(spec, toy_images, {}, tmp_path, CPU)


def entry(word, classes=10, **more):
    if word in ("auxiliary_norm", "normalised"):
        return {"architecture": word, "network": entry("small_cnn", classes, **more)}
    return {"architecture": word, "classes": classes, "channels": 3, **more}


def test_resnet18_is_the_papers_network():
    model = make("architecture", entry("resnet18"))
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_173_962
    sizes = []
    for stage in model.stages:
        stage.register_forward_hook(
            lambda _, __, out: sizes.append(tuple(out.shape[1:]))
        )
    assert model.eval()(torch.rand(1, 3, 32, 32)).shape == (1, 10)
    assert sizes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]


@pytest.mark.parametrize("word", words("architecture"))
def test_a_network_answers_for_every_image_by_itself(word):
    model = new_model(entry(word, classes=7, width=4), seed=0).eval()
    images = torch.linspace(0, 1, 5 * 3 * 16 * 16).reshape(5, 3, 16, 16)
    with torch.no_grad():
        logits = model(images)
        alone = torch.cat([model(image[None]) for image in images])
    assert logits.shape == (5, 7)
    assert torch.allclose(logits, alone, atol=1e-5)


@pytest.mark.parametrize("word", words("architecture"))
def test_an_untrained_network_comes_from_its_seed_alone(word):
    state = torch.get_rng_state()
    one, two, other = (new_model(entry(word, width=4), seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert same_weights(one, two)
    assert not same_weights(one, other)


def test_weights_come_back_as_they_were_saved(tmp_path, toy_architecture):
    model = new_model(toy_architecture, seed=3)
    write_tensors(tmp_path / "w.safetensors", model.state_dict())
    back = load_model(toy_architecture, tmp_path / "w.safetensors")
    assert same_weights(model, back)
    assert not back.training


@pytest.mark.parametrize("change", ["width", "name", "count"])
def test_the_weights_of_another_network_are_refused(tmp_path, toy_architecture, change):
    path = tmp_path / "w.safetensors"
    write_tensors(path, new_model(toy_architecture, seed=0).state_dict())
    weights = read_tensors(path)
    if change == "width":
        toy_architecture["width"] = 9
    elif change == "name":
        weights["foot.weight"] = weights.pop("head.weight")
    else:
        del weights["head.bias"]
    write_tensors(path, weights)
    with pytest.raises(
        PipelineError, match=r"w.safetensors holds the weights of another"
    ):
        load_model(toy_architecture, path)
