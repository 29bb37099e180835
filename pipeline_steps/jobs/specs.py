"""From the config to jobs: the spec of each step, and which files stand behind what.

A spec holds only what its job uses: a change of the config changes the specs that it
touches, and so reruns exactly these jobs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_steps.config.datasets import GAN
from pipeline_steps.config.defenses import MonitorConfig
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.registry import FOLDERS, did_you_mean
from pipeline_steps.core.settings import Entry, Name, wanted
from pipeline_steps.core.shards import Shard
from pipeline_steps.datasets.spec import (
    CorruptionSpec,
    DatasetSpec,
    FetchSpec,
    SheetSpec,
    SourceSpec,
)
from pipeline_steps.defenses.schedules import kept_around_drops
from pipeline_steps.defenses.spec import AdoptSpec, DefenseSpec, MonitorSpec
from pipeline_steps.evaluation.spec import AttackShardSpec, AttackSpec
from pipeline_steps.generators.spec import FlowSpec, GanSpec, GanTraining
from pipeline_steps.jobs.attack_limits import limited
from pipeline_steps.jobs.claim_specs import Claimed
from pipeline_steps.jobs.names import BEST, base, corruption, origin
from pipeline_steps.jobs.networks import answering, network, on_another
from pipeline_steps.manifolds.spec import ManifoldShardSpec, ManifoldSpec
from pipeline_steps.threats.spec import ThreatSpec

# What only a threat that departs from plain ascent holds in its spec.
OPTIONS = {"momentum", "restarts", "samples", "stop"}


class Specs(Claimed):
    """One scale's jobs, by the names that stand in their paths."""

    def fetched(self, dataset: str) -> FetchSpec:
        config = _get(self.config.datasets, "dataset", dataset)
        if config.projected:
            raise PipelineError(
                f"data set {dataset} is made by projection and lies under results/, for "
                f"its generator differs by scale; see docs/manifolds.md"
            )
        return FetchSpec(
            dataset=self._dataset(dataset),
            source=self._resolved(config.source, dataset),
        )

    def source(self, dataset: str) -> SourceSpec:
        config = _get(self.config.datasets, "dataset", dataset)
        return SourceSpec(**dict(self.fetched(dataset)), cut=config.cut)

    def sheet(self, dataset: str) -> SheetSpec:
        return SheetSpec(dataset=self._dataset(dataset))

    def corruption(self, dataset: str, corruption: str) -> CorruptionSpec:
        config = _get(self.config.datasets, "dataset", dataset).corruptions
        published = config.published and self.fetched(config.published).source
        return CorruptionSpec(
            dataset=self._dataset(dataset),
            name=corruption,
            made=published or {"corruption": corruption},
            seed=0 if published else config.seed,
        )

    def needed(self, dataset: str, corruption: str) -> list[str]:
        """What a corruption takes beside the images: the published ones, or ice."""
        config = self.config.datasets[dataset].corruptions
        ice = config.frost if corruption == "frost" else None
        return [name for name in [config.published or ice] if name]

    def flow(self, dataset: str, generator: str) -> FlowSpec:
        return FlowSpec(**self._trained(dataset, generator))

    def gan(self, dataset: str, generator: str) -> GanSpec:
        told = self._trained(dataset, generator)
        flip = self.config.datasets[dataset].augmentation.flip
        digest = self.config.generators[generator].judged_by
        return GanSpec(**told, mirror=flip, inception=digest)

    def manifold(self, dataset: str, generator: str, split: str) -> ManifoldSpec:
        config = _get(self.config.generators, "generator", generator)
        how = config.projection if self.is_approximate(generator) else None
        batch = (how and how.batch) or self.config.scale.evaluation.batch
        batches = self.config.scale.projection.batches
        return ManifoldSpec.model_validate(
            {
                "dataset": self._dataset(dataset),
                "split": split,
                "generator": self._generator(generator, dataset),
                "batch": batch,
                "images": batches and batches * batch,
                "projection": how,
                "features": how and self._features(how.features, dataset),
            }
        )

    def _features(self, name: str | None, dataset: str) -> Entry | None:
        """The network of published weights, or a defense of the pipeline's own."""
        if name is None:
            return None
        if name in self.config.datasets:
            return {"published": name}
        told = network(self.config, name, dataset, self._resolved)
        return {"defense": name, "network": told}

    def home(self, dataset: str, generator: str) -> str:
        """The data set that a generator learns from: of one on a manifold its flow learns
        (IJSAT A.1), but the GAN that makes the manifold from the natural images."""
        projected = self.config.datasets[dataset].projected
        if projected and self.is_approximate(generator):
            return projected.dataset
        return dataset

    def is_approximate(self, generator: str) -> bool:
        """Whether latents of images are sought, for there is no `encode`."""
        return isinstance(self.config.generators[generator].training, GanTraining)

    def manifold_shard(
        self, dataset: str, generator: str, split: str, shard: str
    ) -> ManifoldShardSpec:
        whole = self.manifold(dataset, generator, split)
        return ManifoldShardSpec(**dict(whole), shard=Shard.named(shard))

    def defense(self, dataset: str, defense: str) -> DefenseSpec:
        name, seed = self._seeded(defense)
        config = self.config.defenses.defenses[name]
        schedule, kept = (
            self.config.defenses.schedules[config.schedule],
            config.snapshots,
        )
        return DefenseSpec(
            name=name,
            dataset=self._dataset(dataset),
            augmentation=self.config.datasets[dataset].augmentation,
            architecture=network(self.config, name, dataset, self._resolved),
            recipe=self._resolved(config.recipe, dataset),
            schedule=schedule,
            images=self.config.scale.training.images,
            steps=self.config.scale.training.steps,
            monitor=self._monitor(config.monitor, dataset),
            snapshots=(
                kept_around_drops(schedule, kept) if config.snapshots_at_drops else kept
            ),
            seed=seed,
        )

    def adopted(self, dataset: str, model: str) -> AdoptSpec:
        name, _ = self._seeded(model)
        return AdoptSpec(
            name=name,
            dataset=self._dataset(dataset),
            architecture=answering(self.config, name, dataset, self._resolved),
            weights=sha256(Path(self.config.own.models[name].weights)),
        )

    def attack(self, dataset: str, defense: str, threat: str) -> AttackSpec:
        judged = base(dataset)
        home, label = origin(dataset, defense)
        name, seed = self._seeded(label)
        evaluation = self.config.scale.evaluation
        few = _get(self.config.threats, "threat", threat).images
        # A limit would keep the first severities of a corruption, and lose the others.
        limits = () if corruption(dataset) else (few, evaluation.images)
        told = self.threat(threat, judged)
        if home == judged:
            told = on_another(self.config, told, label.removesuffix(BEST))
        return AttackSpec(
            dataset=self._dataset(judged).model_copy(update={"name": dataset}),
            architecture=self._answering(name, home, judged),
            weights="best" if label.endswith(BEST) else "last",
            threat=told,
            images=min(filter(None, limits), default=None),
            batch=evaluation.batch,
            precision=evaluation.precision,
            kept=evaluation.kept,
            features=self._features(evaluation.features, judged),
            seed=seed,
        )

    def _answering(self, name: str, home: str, judged: str) -> Entry:
        """A network that was trained on one data set, and is judged on another."""
        told = [self._dataset(one) for one in (home, judged)]
        if len({(one.classes, one.size, one.channels) for one in told}) > 1:
            raise PipelineError(
                f"a defense that was trained on {home} can't be judged on {judged}: their "
                "images or classes differ"
            )
        return answering(self.config, name, home, self._resolved)

    def attack_shard(
        self, dataset: str, defense: str, threat: str, shard: str
    ) -> AttackShardSpec:
        whole = self.attack(dataset, defense, threat)
        return AttackShardSpec(**dict(whole), shard=Shard.named(shard))

    def curve(self, dataset: str, defense: str, threat: str) -> AttackSpec:
        """As an attack, on the weights that were kept on the way."""
        return self.attack(dataset, defense, threat).model_copy(
            update={"kept": 0, "features": None}
        )

    def _seeded(self, label: str) -> tuple[str, int]:
        name, _, seed = label.removesuffix(BEST).partition("@")
        known = {**self.config.defenses.defenses, **self.config.own.models}
        _get(known, "defense", name)
        return name, int(seed) if seed else self.config.scale.seeds[0]

    def _monitor(
        self, config: MonitorConfig | None, dataset: str
    ) -> MonitorSpec | None:
        if config is None:
            return None
        return MonitorSpec(**self._resolved(config.model_dump(), dataset))

    def _dataset(self, name: str) -> DatasetSpec:
        config = _get(self.config.datasets, "dataset", name)
        told = config.projected
        return DatasetSpec(
            name=name,
            classes=config.classes,
            size=config.size,
            channels=config.channels,
            projected=told and f"{told.dataset}/{told.generator}/{told.test}",
        )

    def _generator(self, name: str, dataset: str) -> Entry:
        if name == GAN:
            config = self.config.datasets[dataset]
            own = config.projected.generator if config.projected else config.gan
            if own is None:
                raise PipelineError(
                    f"something asks for the `{GAN}` of the data set {dataset}, and "
                    f"workflow/config/datasets.yaml names none; say which generator it is"
                )
            name = own
        config = _get(self.config.generators, "generator", name)
        return {"name": name, **self._resolved(config.model, dataset)}

    def _trained(self, dataset: str, generator: str) -> dict[str, Any]:
        config = _get(self.config.generators, "generator", generator)
        return {
            "dataset": self._dataset(dataset),
            "model": self._generator(generator, dataset),
            "training": config.training,
            "steps": self.config.scale.training.steps,
            "seed": self.config.scale.seeds[0],
        }

    def threat(self, name: str, dataset: str) -> ThreatSpec:
        config = _get(self.config.threats, "threat", name)
        _get(self.config.datasets, "dataset", dataset)
        limits = self.config.scale.limits.model_dump(exclude_none=True)
        if config.attack:
            attack = limited(config.attack, limits)
            return ThreatSpec(**self._resolved(attack, dataset))
        options = config.model_dump(include=OPTIONS, exclude_defaults=True)
        ascent = {
            "edit": self._resolved(config.edit, dataset),
            "objective": self._resolved(config.objective, dataset),
            "steps": min(config.steps, limits.get("steps", config.steps)),
        }
        return ThreatSpec(**ascent, **options)

    def _resolved(self, value: Any, dataset: str) -> Any:
        """Plain settings: budgets as numbers, names as what they name."""
        config = self.config.datasets[dataset]
        if isinstance(value, Relative):
            return value.resolve(config.budgets.model_dump())
        if isinstance(value, Name):
            if value.kind == "generator":
                return self._generator(value, dataset)
            if value.kind == "defense":
                name, _ = self._seeded(value)
                other = answering(self.config, name, dataset, self._resolved)
                return {"defense": str(value), "network": other}
            return self.threat(value, dataset).model_dump(mode="json")
        if isinstance(value, Mapping):
            plain = {key: self._resolved(item, dataset) for key, item in value.items()}
            for kind in plain.keys() & FOLDERS.keys():
                if isinstance(plain[kind], str):
                    given = wanted(kind, plain[kind])
                    plain |= {name: getattr(config, name) for name in given}
            return plain
        if isinstance(value, list):
            return [self._resolved(item, dataset) for item in value]
        return value


def _get(known: Mapping[str, Any], kind: str, name: str) -> Any:
    if name not in known:
        raise PipelineError(f"there is no {kind} '{name}'{did_you_mean(name, known)}")
    return known[name]
