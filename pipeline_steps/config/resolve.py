"""From the config to jobs: the spec of each step, and which files stand behind what.

A spec holds only what its job uses: a change of the config changes the specs that it
touches, and so reruns exactly these jobs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline_steps.config.models import Config
from pipeline_steps.config.networks import answering, network
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.errors import PipelineError
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
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.evaluation.spec import AttackShardSpec, AttackSpec
from pipeline_steps.generators.spec import FlowSpec
from pipeline_steps.manifolds.spec import ManifoldShardSpec, ManifoldSpec
from pipeline_steps.papers.spec import (
    ClaimsSpec,
    FigureSpec,
    OverviewSpec,
    PaperClaims,
    Run,
    TableSpec,
)
from pipeline_steps.threats.spec import ThreatSpec

# What only a threat that departs from plain ascent holds in its spec.
OPTIONS = {"momentum", "restarts", "samples", "stop"}


class Plan:
    """One scale's jobs, by the names that stand in their paths."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def stand_in(self, dataset: str) -> str:
        """The data set that is really used where a paper names this one."""
        return self.config.scale.stand_ins.datasets.get(dataset, dataset)

    def fetched(self, dataset: str) -> FetchSpec:
        config = _get(self.config.datasets, "dataset", dataset)
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
        config = _get(self.config.generators, "generator", generator)
        return FlowSpec(
            dataset=self._dataset(dataset),
            model=self._generator(generator, dataset),
            training=config.training,
            seed=self.config.scale.seeds[0],
        )

    def manifold(self, dataset: str, generator: str) -> ManifoldSpec:
        return ManifoldSpec(
            dataset=self._dataset(dataset),
            generator=self._generator(generator, dataset),
            batch=self.config.scale.evaluation.batch,
        )

    def manifold_shard(
        self, dataset: str, generator: str, shard: str
    ) -> ManifoldShardSpec:
        whole = self.manifold(dataset, generator)
        return ManifoldShardSpec(**dict(whole), shard=_shard(shard))

    def defense(self, dataset: str, defense: str) -> DefenseSpec:
        name, seed = self._seeded(defense)
        config = self.config.defenses.defenses[name]
        return DefenseSpec(
            name=name,
            dataset=self._dataset(dataset),
            augmentation=self.config.datasets[dataset].augmentation,
            architecture=network(self.config, name, dataset, self._resolved),
            recipe=self._resolved(config.recipe, dataset),
            schedule=self.config.defenses.schedules[config.schedule],
            snapshots=config.snapshots,
            seed=seed,
        )

    def attack(self, dataset: str, defense: str, threat: str) -> AttackSpec:
        name, seed = self._seeded(defense)
        evaluation = self.config.scale.evaluation
        return AttackSpec(
            dataset=self._dataset(dataset),
            architecture=answering(self.config, name, dataset, self._resolved),
            threat=self._threat(threat, dataset),
            images=evaluation.images,
            batch=evaluation.batch,
            precision=evaluation.precision,
            kept=evaluation.kept,
            seed=seed,
        )

    def attack_shard(
        self, dataset: str, defense: str, threat: str, shard: str
    ) -> AttackShardSpec:
        whole = self.attack(dataset, defense, threat)
        return AttackShardSpec(**dict(whole), shard=_shard(shard))

    def curve(self, dataset: str, defense: str, threat: str) -> AttackSpec:
        """As an attack, on the weights that were kept on the way."""
        return self.attack(dataset, defense, threat).model_copy(update={"kept": 0})

    def table(self, paper: str, table: str) -> TableSpec:
        config = self.config.papers[paper].tables[table]
        dataset = self.stand_in(config.dataset)
        defenses = [row.defense for row in config.rows if row.defense]
        threats = [column.threat for column in config.columns if column.threat]
        return TableSpec(
            paper=paper,
            table=table,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=dataset,
            stands_for=config.dataset,
            average=config.average,
            columns=config.columns,
            rows=config.rows,
            runs=list(self._runs(dataset, defenses, threats)),
        )

    def figure(self, paper: str, figure: str) -> FigureSpec:
        config = self.config.papers[paper].figures[figure]
        dataset = self.stand_in(config.dataset)
        return FigureSpec(
            paper=paper,
            name=figure,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=dataset,
            stands_for=config.dataset,
            figure=self._resolved(config.figure, dataset),
            panels=config.panels,
        )

    def claims(self) -> ClaimsSpec:
        papers = [
            PaperClaims(paper=paper, claims=self._standing(content.claims))
            for paper, content in self.config.papers.items()
        ]
        claims = [claim for paper in papers for claim in paper.claims]
        sides = [(c, s) for c in claims for h in c.holds for s in (h.left, h.right)]
        runs = {
            (run.dataset, run.defense, run.threat, run.seed): run
            for claim, side in sides
            if side.defense and side.threat
            for run in self._runs(claim.dataset, [side.defense], [side.threat])
        }
        manifolds = {f"{c.dataset}/{s.manifold}" for c, s in sides if s.manifold}
        return ClaimsSpec(
            scale=self.config.name,
            scale_title=self.config.scale.title,
            papers=papers,
            runs=list(runs.values()),
            manifolds=sorted(manifolds),
        )

    def overview(self) -> OverviewSpec:
        return OverviewSpec(scale=self.config.name, scale_title=self.config.scale.title)

    def label(self, run: Run) -> str:
        """A run's defense as it stands in a path: `at`, or `at@1` for seed 1."""
        first = self.config.scale.seeds[0]
        return run.defense if run.seed == first else f"{run.defense}@{run.seed}"

    def _standing(self, claims: Iterable[Any]) -> list[Any]:
        return [
            claim.model_copy(update={"dataset": self.stand_in(claim.dataset)})
            for claim in claims
        ]

    def _runs(
        self, dataset: str, defenses: Iterable[str], threats: Iterable[str]
    ) -> Iterator[Run]:
        threats = list(dict.fromkeys(threats))
        for defense in dict.fromkeys(defenses):
            for threat in threats:
                for seed in self.config.scale.seeds:
                    yield Run(
                        dataset=dataset, defense=defense, threat=threat, seed=seed
                    )

    def _seeded(self, label: str) -> tuple[str, int]:
        name, _, seed = label.partition("@")
        _get(self.config.defenses.defenses, "defense", name)
        return name, int(seed) if seed else self.config.scale.seeds[0]

    def _dataset(self, name: str) -> DatasetSpec:
        config = _get(self.config.datasets, "dataset", name)
        return DatasetSpec(
            name=name,
            classes=config.classes,
            size=config.size,
            channels=config.channels,
        )

    def _generator(self, name: str, dataset: str) -> Entry:
        config = _get(self.config.generators, "generator", name)
        return {"name": name, **self._resolved(config.model, dataset)}

    def _threat(self, name: str, dataset: str) -> ThreatSpec:
        config = _get(self.config.threats, "threat", name)
        if config.attack:
            return ThreatSpec(**self._resolved(config.attack, dataset))
        options = config.model_dump(include=OPTIONS, exclude_defaults=True)
        ascent = {
            "edit": self._resolved(config.edit, dataset),
            "objective": self._resolved(config.objective, dataset),
            "steps": config.steps,
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
            return self._threat(value, dataset).model_dump(mode="json")
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


def _shard(label: str) -> Shard:
    """A shard by its name in a path: `2-of-8`."""
    number, _, of = label.partition("-of-")
    return Shard(number=int(number), of=int(of))


def _get(known: Mapping[str, Any], kind: str, name: str) -> Any:
    if name not in known:
        raise PipelineError(f"there is no {kind} '{name}'{did_you_mean(name, known)}")
    return known[name]
