"""What the loop does on request: averages, lower precision, guards, a watched accuracy."""

import pytest
import torch
from torch import nn

from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.defenses import snapshots
from pipeline_steps.defenses.averaging import Average
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.monitor import Monitor
from pipeline_steps.defenses.passes import compile_passes, compute_in
from pipeline_steps.defenses.spec import MonitorSpec, Schedule
from pipeline_steps.defenses.train_defense import BatchOrder, guarded, train_defense
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

CPU = torch.device("cpu")
EVERYTHING = {
    "ema": 0.8,
    "norm_limit": 1.0,
    "precision": "bfloat16",
    "knots": [[0, 0.02], [1, 0.2], [3, 0.01]],
    "learning_rate": None,
    "epochs": 3,
}


@pytest.fixture
def watch(spec_of, recipe_entry):
    """A spec whose training is watched."""

    def watch(every=1, images=12, of="held_out", **schedule):
        threat = recipe_entry("at")["threat"]
        spec = MonitorSpec(threat=threat, every=every, images=images, of=of)
        return spec_of("at", **schedule).model_copy(update={"monitor": spec})

    return watch


def monitor_of(spec, data):
    threat = build_threat(ThreatSpec(**spec.monitor.threat), {})
    return Monitor(spec.monitor, threat, data, spec.schedule.batch, spec.seed)


def test_an_average_follows_weights_and_running_statistics(toy_architecture):
    model = new_model(toy_architecture, seed=0)
    average = Average(model, 0.9)
    before = {n: t.clone() for n, t in average.model.state_dict().items()}
    for tensor in model.state_dict().values():
        tensor += 1
    average.follow(model, step=0)
    after = average.model.state_dict()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():  # at the start a tenth is kept, not nine
            expected = 0.1 * before[name] + 0.9 * tensor
            assert torch.allclose(after[name], expected, atol=1e-6), name
        else:
            assert torch.equal(after[name], tensor)
    average.follow(model, step=10**6)
    name = "head.weight" if "head.weight" in after else next(iter(after))
    expected = 0.9 * (0.1 * before[name] + 0.9 * model.state_dict()[name])
    expected += 0.1 * model.state_dict()[name]
    assert torch.allclose(average.model.state_dict()[name], expected, atol=1e-6)


def test_the_trained_network_is_the_average(spec_of, toy_images, tmp_path):
    plain, losses = train_defense(
        spec_of("normal", snapshots=1), toy_images, {}, tmp_path / "plain", CPU
    )
    mean, same = train_defense(
        spec_of("normal", snapshots=1, ema=0.9), toy_images, {}, tmp_path / "mean", CPU
    )
    assert losses == same, "an average only follows"
    differs = [
        not torch.equal(a, b)
        for a, b in zip(plain.parameters(), mean.parameters(), strict=True)
    ]
    assert all(differs)
    snapshots.gather(tmp_path / "mean", tmp_path / "kept.safetensors", {})
    kept = snapshots.by_epoch(tmp_path / "kept.safetensors")[4]
    assert all(torch.equal(kept[n], t) for n, t in mean.state_dict().items())


class Watched(nn.Module):
    """Tells in which numbers its convolution computes."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.seen: list[torch.dtype] = []

    def forward(self, images):
        features = self.convolution(images)
        self.seen.append(features.dtype)
        return features.mean(dim=(2, 3))


def test_passes_are_low_and_all_around_them_is_float32():
    torch.manual_seed(0)
    model, images = Watched(), torch.rand(2, 3, 8, 8)
    exact = model(images)
    names = list(model.state_dict())
    compute_in(model, "bfloat16")
    low = model(images)
    assert model.seen == [torch.float32, torch.bfloat16]
    assert low.dtype == torch.float32
    assert torch.allclose(low, exact, atol=0.02)
    assert not torch.is_autocast_enabled("cpu")
    low.sum().backward()
    assert model.convolution.weight.grad.dtype == torch.float32
    assert list(model.state_dict()) == names


def test_a_training_in_bfloat16_learns_and_its_flow_stays_exact(
    spec_of, toy_images, toy_generator, tmp_path
):
    decoded = []
    before = toy_generator.decode

    class Listening(nn.Module):
        exact, raw, name = True, False, "toy"
        encode = staticmethod(toy_generator.encode)

        @staticmethod
        def decode(latents):
            decoded.append((latents.dtype, torch.is_autocast_enabled("cpu")))
            return before(latents)

    spec = spec_of("ijsat", epochs=8, precision="bfloat16")
    trained, losses = train_defense(
        spec, toy_images, {"toy": Listening()}, tmp_path, CPU
    )
    assert losses[-1] < 0.85 * losses[0]
    assert set(decoded) == {(torch.float32, False)}
    assert type(trained).__name__ == "SmallCnn"
    assert all(p.dtype == torch.float32 for p in trained.parameters())


def test_gradients_are_shortened_to_their_limit(toy_architecture, toy_images):
    model = new_model(toy_architecture, seed=0)
    images, labels = toy_images[torch.arange(8)]
    schedule = Schedule(epochs=1, batch=8, learning_rate=0.1, norm_limit=0.01)
    loss = 10 * nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    before = [p.grad.clone() for p in model.parameters()]
    assert guarded(loss, model, schedule, "epoch 1, step 1") == pytest.approx(
        loss.item()
    )
    after = [p.grad for p in model.parameters()]
    norm = torch.nn.utils.get_total_norm(after)
    assert norm == pytest.approx(0.01, rel=1e-3)
    shares = [(a.norm() / b.norm()).item() for a, b in zip(after, before, strict=True)]
    assert max(shares) == pytest.approx(min(shares), rel=1e-4)


def test_a_gradient_that_is_no_number_ends_in_one_sentence(toy_architecture):
    model = new_model(toy_architecture, seed=0)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    schedule = Schedule(epochs=1, batch=8, learning_rate=0.1)
    with pytest.raises(
        PipelineError, match=r"gradient's norm is inf in epoch 2, step 3"
    ):
        guarded(torch.ones(()), model, schedule, "epoch 2, step 3")


def test_a_network_that_can_t_be_compiled_runs_as_it_is(
    toy_architecture, monkeypatch, capsys
):
    def broken(*_, **__):
        def fails(*_, **__):
            raise RuntimeError("no compiler was found\nand more of it")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    model = new_model(toy_architecture, seed=0)
    images = torch.rand(2, 3, 8, 8)
    expected = model.eval()(images)
    compile_passes(model, images, graphs=False)
    assert torch.equal(model(images), expected)
    told = capsys.readouterr().err
    assert "the network is not compiled here (no compiler was found); it runs" in told
    assert all(p.requires_grad for p in model.parameters())


def test_a_compiled_training_asks_for_it(spec_of, toy_images, tmp_path, monkeypatch):
    asked = []
    name = "pipeline_steps.defenses.train_defense.compile_passes"
    monkeypatch.setattr(name, lambda *asks: asked.append((len(asks[1]), asks[2])))
    train_defense(spec_of("normal"), toy_images, {}, tmp_path / "plain", CPU)
    assert asked == []
    spec = spec_of("normal", compiled=True)
    train_defense(spec, toy_images, {}, tmp_path / "fast", CPU)
    assert asked == [(16, False)]


@pytest.mark.parametrize(("stop", "graphs"), [("last", True), ("any", False)])
def test_cuda_graphs_are_for_recipes_that_keep_whole_batches(
    stop, graphs, spec_of, toy_images, tmp_path, monkeypatch
):
    asked = []
    name = "pipeline_steps.defenses.train_defense.compile_passes"
    monkeypatch.setattr(name, lambda *asks: asked.append(asks[2]))
    spec = spec_of("at", compiled="graphs").model_copy(deep=True)
    spec.recipe["threat"]["stop"] = stop
    train_defense(spec, toy_images, {}, tmp_path, CPU)
    assert asked == [graphs]


def test_held_out_images_are_not_learned_from(watch, toy_images):
    spec = watch()
    batch_order = BatchOrder(toy_images, spec.schedule, 0, spec.monitor)
    rows = torch.cat(
        [batch_order.rows(epoch, s) for epoch in range(4) for s in range(2)]
    )
    assert rows.max() < 36
    assert monitor_of(spec, toy_images).rows == range(36, 48)
    on_test = watch(of="test")
    batch_order = BatchOrder(toy_images, on_test.schedule, 0, on_test.monitor)
    assert batch_order.count == 48
    assert monitor_of(on_test, toy_images).rows == range(12)


def test_more_held_out_images_than_there_are_is_one_sentence(watch, toy_images):
    spec = watch(images=48)
    with pytest.raises(
        PipelineError, match="holds out 48 images, but there are only 48"
    ):
        BatchOrder(toy_images, spec.schedule, 0, spec.monitor)


def test_watching_changes_no_weight_and_keeps_the_best(watch, toy_images, tmp_path):
    spec = watch(every=2, of="test", epochs=6, learning_rate=0.02)
    plain = spec.model_copy(update={"monitor": None})
    alone, _ = train_defense(plain, toy_images, {}, tmp_path / "alone", CPU)
    monitor = monitor_of(spec, toy_images)
    seen, _ = train_defense(
        spec, toy_images, {}, tmp_path / "seen", CPU, monitor=monitor
    )
    for a, b in zip(alone.parameters(), seen.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row[0] for row in monitor.seen] == [2, 4, 6]
    assert all(clean >= robust for _, clean, robust in monitor.seen)
    robust = [row[2] for row in monitor.seen]
    best = 2 * (robust.index(max(robust)) + 1)
    until = plain.schedule.model_copy(update={"epochs": best})
    short = plain.model_copy(update={"schedule": until})
    chosen, _ = train_defense(short, toy_images, {}, tmp_path / "short", CPU)
    snapshots.gather(tmp_path / "seen", tmp_path / "kept.safetensors", monitor.best)
    kept = snapshots.best_of(tmp_path / "kept.safetensors")
    assert all(torch.equal(kept[n], t) for n, t in chosen.state_dict().items())
    assert snapshots.BEST not in snapshots.by_epoch(tmp_path / "kept.safetensors")


def test_a_defense_that_was_not_watched_has_no_best(tmp_path):
    snapshots.gather(tmp_path, tmp_path / "kept.safetensors", {})
    with pytest.raises(PipelineError, match="keeps no best weights; set `monitor`"):
        snapshots.best_of(tmp_path / "kept.safetensors")


def test_resumed_after_every_step_it_ends_in_the_same_bytes(
    watch, toy_images, tmp_path, monkeypatch
):
    """With average, guard, lower precision, straight lines and the best epoch so far."""
    spec = watch(**EVERYTHING)

    def files(folder, best):
        snapshots.gather(folder, tmp_path / "kept.safetensors", best)
        return read_tensors(tmp_path / "kept.safetensors")

    whole = monitor_of(spec, toy_images)
    model, losses = train_defense(
        spec, toy_images, {}, tmp_path / "whole", CPU, monitor=whole
    )
    kept = files(tmp_path / "whole", whole.best)
    monkeypatch.setenv("PIPELINE_DEADLINE", "0")
    stops = 0
    while stops < 7:
        part = monitor_of(spec, toy_images)
        try:
            again, same = train_defense(
                spec, toy_images, {}, tmp_path / "parts", CPU, monitor=part
            )
            break
        except Interrupted:
            stops += 1
    assert stops == 5, "two steps an epoch, three epochs"
    assert same == losses
    assert part.seen == whole.seen
    for a, b in zip(
        model.state_dict().values(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    parts = files(tmp_path / "parts", part.best)
    assert kept.keys() == parts.keys()
    assert any(name.startswith("best/") for name in kept)
    assert all(torch.equal(kept[name], parts[name]) for name in kept)


def test_a_limit_of_steps_ends_a_training_as_if_it_had_no_more_epochs(
    watch, toy_images, tmp_path
):
    """Two steps are an epoch here: what is learned and kept is that of one epoch."""
    spec = watch(every=3, **{"epochs": 6, "ema": 0.9, "cyclic": False})
    once = spec.schedule.model_copy(update={"epochs": 1})
    one_epoch = spec.model_copy(update={"schedule": once, "snapshots": 1})
    cut_short = spec.model_copy(update={"steps": 2, "snapshots": 6})
    weights = []
    for name, its in {"whole": one_epoch, "cut": cut_short}.items():
        monitor = monitor_of(its, toy_images)
        model, losses = train_defense(
            its, toy_images, {}, tmp_path / name, CPU, monitor=monitor
        )
        assert len(losses) == 1
        weights.append(model.state_dict())
    assert all(torch.equal(t, weights[1][name]) for name, t in weights[0].items())
    assert [epoch for epoch, *_ in monitor.seen] == [1], "it looks, though every=3"
    snapshots.gather(tmp_path / "cut", tmp_path / "kept.safetensors", monitor.best)
    kept = snapshots.by_epoch(tmp_path / "kept.safetensors")
    best = snapshots.best_of(tmp_path / "kept.safetensors")
    assert list(kept) == [1]
    for name, tensor in weights[1].items():
        assert torch.equal(kept[1][name], tensor) and torch.equal(best[name], tensor)


def test_a_training_cut_short_in_an_epoch_does_what_comes_at_its_end(
    watch, toy_images, tmp_path
):
    spec = watch(epochs=6).model_copy(update={"steps": 3, "snapshots": 6})
    monitor = monitor_of(spec, toy_images)
    _, losses = train_defense(spec, toy_images, {}, tmp_path, CPU, monitor=monitor)
    assert len(losses) == len(monitor.seen) == 2
    snapshots.gather(tmp_path, tmp_path / "kept.safetensors", monitor.best)
    assert list(snapshots.by_epoch(tmp_path / "kept.safetensors")) == [2]
