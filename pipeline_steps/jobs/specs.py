"""Makes each job's spec from the config.

A spec holds only what its job uses: a change of the config changes the specs that it
touches, and so reruns exactly these jobs.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_steps.config.defenses import MonitorConfig
from pipeline_steps.config.schema import Config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.settings import Entry
from pipeline_steps.core.shards import Shard
from pipeline_steps.datasets.spec import (
    CorruptionSpec,
    FetchSpec,
    SheetSpec,
    SourceSpec,
)
from pipeline_steps.defenses.schedules import kept_around_drops
from pipeline_steps.defenses.spec import (
    AdoptSpec,
    DefenseSpec,
    MonitorSpec,
    Schedule,
)
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.generators.spec import FlowSpec, GanSpec
from pipeline_steps.jobs.claim_specs import ClaimSpecs
from pipeline_steps.jobs.entries import Entries, get
from pipeline_steps.jobs.names import base, corruption, origin, seeded
from pipeline_steps.jobs.pages import Pages
from pipeline_steps.manifolds.spec import ManifoldSpec
from pipeline_steps.papers.report.spec import OverviewSpec
from pipeline_steps.papers.spec import BEST
from pipeline_steps.threats.spec import ThreatSpec


class Specs:
    """One scale's specs, by the names in the paths of results."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries = Entries(config)

    @cached_property
    def pages(self) -> Pages:
        """Those of tables and figures."""
        return Pages(self.config, self.entries)

    @cached_property
    def claims(self) -> ClaimSpecs:
        return ClaimSpecs(self.config, self.pages)

    def report(self) -> OverviewSpec:
        return OverviewSpec(
            scale=self.config.name,
            scale_title=self.config.scale.title,
            papers=self.pages.papers(),
            names=self.pages.names,
            left_out=self.claims.left_out(),
        )

    def fetched(self, dataset: str) -> FetchSpec:
        config = get(self.config.datasets, "dataset", dataset)
        if config.projected:
            raise PipelineError(
                f"data set {dataset} is made by projection, so it is under results/: "
                "its generator differs by scale; see docs/reference/manifolds.md"
            )
        return FetchSpec(
            dataset=self.entries.dataset(dataset),
            source=self.entries.resolved(config.source, dataset),
        )

    def source(self, dataset: str) -> SourceSpec:
        config = get(self.config.datasets, "dataset", dataset)
        return SourceSpec(**dict(self.fetched(dataset)), cut=config.cut)

    def sheet(self, dataset: str) -> SheetSpec:
        return SheetSpec(dataset=self.entries.dataset(dataset))

    def corruption(self, dataset: str, corruption: str) -> CorruptionSpec:
        config = get(self.config.datasets, "dataset", dataset).corruptions
        published = config.published and self.fetched(config.published).source
        return CorruptionSpec(
            dataset=self.entries.dataset(dataset),
            name=corruption,
            made=published or {"corruption": corruption},
            seed=0 if published else config.seed,
        )

    def flow(self, dataset: str, generator: str) -> FlowSpec:
        return FlowSpec(**self._generator_training(dataset, generator))

    def gan(self, dataset: str, generator: str) -> GanSpec:
        training = self._generator_training(dataset, generator)
        flip = self.config.datasets[dataset].augmentation.flip
        digest = self.config.generators[generator].judged_by
        return GanSpec(**training, mirror=flip, inception=digest)

    def _generator_training(self, dataset: str, generator: str) -> dict[str, Any]:
        config = get(self.config.generators, "generator", generator)
        return {
            "dataset": self.entries.dataset(dataset),
            "model": {
                "name": generator,
                **self.entries.resolved(config.model, dataset),
            },
            "training": config.training,
            "steps": self.config.scale.training.steps,
            "seed": self.config.scale.seeds[0],
        }

    def manifold(
        self, dataset: str, generator: str, split: str, shard: str | None = None
    ) -> ManifoldSpec:
        config = get(self.config.generators, "generator", generator)
        how = config.projection if self.entries.is_approximate(generator) else None
        batch = (how and how.batch) or self.config.scale.evaluation.batch
        batches = self.config.scale.projection.batches
        return ManifoldSpec.model_validate(
            {
                "dataset": self.entries.dataset(dataset),
                "split": split,
                "generator": self.entries.generator(generator, dataset),
                "batch": batch,
                "images": batches and batches * batch,
                "projection": how,
                "features": how and self.entries.features(how.features, dataset),
                "shard": shard and Shard.named(shard),
            }
        )

    def defense(self, dataset: str, defense: str) -> DefenseSpec:
        name, seed = self._seeded(defense)
        config = self.config.defenses.defenses[name]
        schedule, kept = self._schedule(config.schedule), config.snapshots
        return DefenseSpec(
            name=name,
            dataset=self.entries.dataset(dataset),
            augmentation=self.config.datasets[dataset].augmentation,
            architecture=self.entries.trained_network(name, dataset),
            recipe=self.entries.resolved(config.recipe, dataset),
            schedule=schedule,
            images=self.config.scale.training.images,
            steps=self.config.scale.training.steps,
            monitor=self._monitor(config.monitor, dataset),
            snapshots=(
                kept_around_drops(schedule, kept) if config.snapshots_at_drops else kept
            ),
            deterministic=self.config.scale.deterministic,
            seed=seed,
        )

    def _schedule(self, name: str) -> Schedule:
        """A schedule in its own precision, or in that of the scale."""
        schedule = self.config.defenses.schedules[name]
        if "precision" in schedule.model_fields_set:
            return schedule
        return schedule.model_copy(update={"precision": self.config.scale.precision})

    def _monitor(
        self, config: MonitorConfig | None, dataset: str
    ) -> MonitorSpec | None:
        if config is None:
            return None
        return MonitorSpec(**self.entries.resolved(config.model_dump(), dataset))

    def adopted(self, dataset: str, model: str) -> AdoptSpec:
        name, _ = self._seeded(model)
        return AdoptSpec(
            name=name,
            dataset=self.entries.dataset(dataset),
            architecture=self.entries.deployed_network(name, dataset),
            weights=sha256(Path(self.config.own.models[name].weights)),
        )

    def threat(self, name: str, dataset: str) -> ThreatSpec:
        return self.entries.threat(name, dataset)

    def attack(
        self, dataset: str, defense: str, threat: str, shard: str | None = None
    ) -> AttackSpec:
        judged = base(dataset)
        home, label = origin(dataset, defense)
        name, seed = self._seeded(label)
        evaluation = self.config.scale.evaluation
        few = get(self.config.threats, "threat", threat).images
        # A limit would keep only the first severities of a corruption.
        limits = () if corruption(dataset) else (few, evaluation.images)
        attack = self.threat(threat, judged)
        if home == judged:
            attack = self.entries.on_another(attack, label.removesuffix(BEST))
        return AttackSpec(
            dataset=self.entries.dataset(judged).model_copy(update={"name": dataset}),
            architecture=self._deployed_network(name, home, judged),
            weights="best" if label.endswith(BEST) else "last",
            threat=attack,
            images=min(filter(None, limits), default=None),
            batch=evaluation.batch,
            precision=evaluation.precision or self.config.scale.precision,
            compiled=evaluation.compiled,
            deterministic=self.config.scale.deterministic,
            kept=evaluation.kept,
            features=self.entries.features(evaluation.features, judged),
            seed=seed,
            shard=Shard.named(shard) if shard else None,
        )

    def _deployed_network(self, name: str, home: str, judged: str) -> Entry:
        """A network that was trained on one data set, and is judged on another."""
        both = [self.entries.dataset(dataset) for dataset in (home, judged)]
        if len({(d.classes, d.size, d.channels) for d in both}) > 1:
            raise PipelineError(
                f"a defense that was trained on {home} can't be judged on {judged}: their "
                "images or classes differ"
            )
        return self.entries.deployed_network(name, home)

    def curve(self, dataset: str, defense: str, threat: str) -> AttackSpec:
        """The spec of an attack on the weights that training kept on the way."""
        return self.attack(dataset, defense, threat).model_copy(
            update={"kept": 0, "features": None}
        )

    def _seeded(self, label: str) -> tuple[str, int]:
        name, seed = self.entries.known_defense(label), seeded(label)[1]
        return name, self.config.scale.seeds[0] if seed is None else seed
