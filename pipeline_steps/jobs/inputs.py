"""What each job takes: its input files by name, and the cards that vouch for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline_steps import layout
from pipeline_steps.core.settings import Entry
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.names import base, corruption, origin
from pipeline_steps.jobs.report_inputs import cards_in_report, panels, run_names
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import BEST, Run

Spec = Entry


@dataclass(frozen=True)
class Taken:
    """The files that a job takes under one name."""

    files: list[str] | None = None
    """None where a job checks them by their cards alone."""
    cards: list[str] | None = None
    """One for each file: the job runs again if one of these changes."""
    dated: bool = True
    """Whether a file that has no card makes the job run again when it is newer."""


Inputs = dict[str, Taken]


class InputFiles:
    """The inputs of each rule's jobs: one method for each rule, called with its wildcards.

    It also gets the job's spec, as plain values.
    """

    def __init__(self, specs: Specs) -> None:
        self.specs, self.entries = specs, specs.entries
        self.scale = specs.config.name

    def fetch_dataset(self, spec: Spec, dataset: str) -> Inputs:
        return {}

    def build_dataset(self, spec: Spec, dataset: str) -> Inputs:
        return {"archive": self._archives([dataset])}

    def show_dataset(self, spec: Spec, dataset: str) -> Inputs:
        return self._data(dataset, "train")

    def corrupt_dataset(self, spec: Spec, dataset: str, corruption: str) -> Inputs:
        settings = self.specs.config.datasets[dataset].corruptions
        ice = settings.frost if corruption == "frost" else None
        needed = [name for name in [settings.published or ice] if name]
        return self._data(dataset, "test") | {"archive": self._archives(needed)}

    def train_flow(self, spec: Spec, dataset: str, generator: str) -> Inputs:
        return {
            "data": self._data(dataset, "train")["images"],
            "test": self._data(dataset, "test")["images"],
        }

    def train_gan(self, spec: Spec, dataset: str, generator: str) -> Inputs:
        inception = self.specs.config.generators[generator].inception
        data = self._data(dataset, "train")
        return {
            "data": data["images"],
            "labels": data["labels"],
            "inception": Taken([inception.file] if inception else []),
        }

    def project_dataset(
        self, spec: Spec, dataset: str, generator: str, split: str
    ) -> Inputs:
        names = {"dataset": dataset, "generator": generator}
        return {
            **self._data(dataset, split),
            "generator": self._made("train_gan", "weights", [names]),
            "features": self._features(spec, dataset),
        }

    def project_shard(
        self, spec: Spec, dataset: str, generator: str, split: str, shard: str
    ) -> Inputs:
        whole = self.project_dataset(spec, dataset, generator, split)
        return whole | {"labels": Taken(cards=whole["labels"].cards)}

    def gather_manifold(
        self, spec: Spec, dataset: str, generator: str, split: str
    ) -> Inputs:
        whole = self.project_dataset(spec, dataset, generator, split)
        return _cards_of(whole) | {"labels": whole["labels"]}

    def train_defense(self, spec: Spec, dataset: str, defense: str) -> Inputs:
        data = self._data(dataset, "train")
        return (
            data
            | self._watched(spec, dataset)
            | self._generators(spec, dataset, "train")
        )

    def adopt_defense(self, spec: Spec, dataset: str, defense: str) -> Inputs:
        model = defense.partition("@")[0]
        # Its digest is in the spec, so its time says nothing.
        weights = self.specs.config.own.models[model].weights
        return {"given": Taken([weights], dated=False)} | self._data(dataset, "test")

    def attack_defense(
        self, spec: Spec, dataset: str, defense: str, threat: str
    ) -> Inputs:
        best = origin(dataset, defense)[1].endswith(BEST)
        return {
            **self._data(dataset, "test"),
            # The best weights are in the snapshots' file.
            "weights": self._training(
                "snapshots" if best else "weights", dataset, defense
            ),
            **self._generators(spec, dataset, "test"),
            "sources": self._sources(spec, dataset),
            "features": self._features(spec, dataset),
        }

    def attack_shard(
        self, spec: Spec, dataset: str, defense: str, threat: str, shard: str
    ) -> Inputs:
        return self.attack_defense(spec, dataset, defense, threat)

    def gather_verdicts(
        self, spec: Spec, dataset: str, defense: str, threat: str
    ) -> Inputs:
        return _cards_of(self.attack_defense(spec, dataset, defense, threat))

    def attack_snapshots(
        self, spec: Spec, dataset: str, defense: str, threat: str
    ) -> Inputs:
        return {
            **self._data(dataset, "test"),
            "snapshots": self._training("snapshots", dataset, defense),
            **self._generators(spec, dataset, "test"),
            "sources": self._sources(spec, dataset),
        }

    def explain_defense(
        self, spec: Spec, dataset: str, defense: str, threat: str
    ) -> Inputs:
        attack = self.attack_defense(spec, dataset, defense, threat)
        examples = {"dataset": dataset, "defense": defense, "threat": threat}
        return {
            "weights": attack["weights"],
            "examples": self._made("attack_defense", "examples", [examples]),
        }

    def make_table(self, spec: Spec, paper: str, table: str) -> Inputs:
        runs = self.specs.pages.table(paper, table).runs
        return {"verdicts": self._runs("attack_defense", "verdicts", runs)}

    def calibrate(self, spec: Spec, paper: str, calibration: str) -> Inputs:
        runs = self.specs.pages.calibration(paper, calibration).runs
        return {"verdicts": self._runs("attack_defense", "verdicts", runs)}

    def make_figure(self, spec: Spec, paper: str, figure: str) -> Inputs:
        files, cards = [], []
        for what, names in panels(self.specs, paper, figure):
            kind = KINDS[what]
            names = names | {"scale": self.scale}
            files.append(layout.file(kind.rule, kind.role, **names))
            cards.append(layout.card(kind.rule, **names))
        return {"panels": Taken(files, cards)}

    def check_claims(self, spec: Spec, paper: str) -> Inputs:
        claims = self.specs.claims.of(paper)
        manifolds = (name.split("/") for name in claims.manifolds)
        errors = (
            {"dataset": dataset, "generator": generator, "split": "test"}
            for dataset, generator in manifolds
        )
        return {
            "verdicts": self._runs("attack_defense", "verdicts", claims.runs),
            "curves": self._runs("attack_snapshots", "curve", claims.curves),
            # The numbers are in the cards themselves.
            "manifolds": Taken(self._made("project_dataset", "latents", errors).cards),
        }

    def gather_claims(self, spec: Spec) -> Inputs:
        papers = ({"paper": paper} for paper in self.specs.claims.papers)
        return {"claims": self._made("check_claims", "json", papers)}

    def make_report(self, spec: Spec) -> Inputs:
        pages = self.specs.pages.papers()
        tables = [
            {"paper": paper.paper, "table": page.name}
            for paper in pages
            for page in paper.tables
            if page.made
        ]
        figures = [
            {"paper": paper.paper, "figure": page.name}
            for paper in pages
            for page in paper.figures
            if page.made
        ]
        return {
            "tables": self._made("make_table", "json", tables),
            "figures": self._made("make_figure", "png", figures),
            "claims": self._made("gather_claims", "json", [{}]),
            # What the report shows; it finds these cards itself, behind those of the pages.
            "shown": Taken(cards_in_report(self.specs)),
        }

    def parts(self, rule: str, **names: str) -> dict[str, list[str]]:
        """The files of each shard that a gathering job puts together, by their roles."""
        shards = layout.RULES[rule].gathers
        if shards is None:
            return {}
        result, of = layout.RULES[shards], self._cuts(**names)
        numbered = [f"{number}-of-{of}" for number in range(1, of + 1)]
        return {
            role: [
                result.file(role, scale=self.scale, shard=shard, **names)
                for shard in numbered
            ]
            for role in result.outputs
        }

    def _cuts(self, **names: str) -> int:
        """The number of shards that a job is cut into."""
        shards = self.specs.config.scale.shards
        if "threat" in names:
            return shards.threats.get(names["threat"], 1)
        return shards.generators.get(names["generator"], 1)

    def _made(self, rule: str, role: str, jobs: Iterable[dict[str, str]]) -> Taken:
        """One output of each of these jobs of a rule."""
        each = [{**names, "scale": self.scale} for names in jobs]
        return Taken(
            [layout.file(rule, role, **names) for names in each],
            [layout.card(rule, **names) for names in each],
        )

    def _archives(self, datasets: Iterable[str]) -> Taken:
        jobs = ({"dataset": dataset} for dataset in datasets)
        return self._made("fetch_dataset", "archive", jobs)

    def _data(self, dataset: str, split: str) -> Inputs:
        """Images and labels, wherever they are; on a manifold, the manifold's."""
        made = self.specs.config.datasets[base(dataset)].projected
        home = made.dataset if made else base(dataset)
        role, names = split, {"dataset": home}
        if bad := corruption(dataset):
            rule, names = "corrupt_dataset", {**names, "corruption": bad}
        elif made is None or (split == "test" and made.test == "natural"):
            rule = "build_dataset"
        else:
            rule, role = "project_dataset", "{split}"
            names = {**names, "generator": made.generator, "split": split}
        return {
            what: self._made(rule, f"{role}_{what}", [names])
            for what in ("images", "labels")
        }

    def _watched(self, spec: Spec, dataset: str) -> Inputs:
        """The test images that a training is monitored on, if any."""
        monitor = spec["monitor"]
        if monitor is None or monitor["of"] != "test":
            return {}
        data = self._data(dataset, "test")
        return {f"test_{what}": taken for what, taken in data.items()}

    def _generators(self, spec: Spec, dataset: str, split: str) -> Inputs:
        """The weights of every generator that a spec names, and projected latents for each
        that can't encode."""
        named = [
            {"dataset": self.entries.home(base(dataset), name), "generator": name}
            for name in generators_in(spec)
        ]
        projected = [
            {**names, "split": split}
            for names in named
            if self.entries.is_approximate(names["generator"])
        ]
        return {
            "generators": self._made("train_gan", "weights", named),
            "latents": self._made("project_dataset", "latents", projected),
        }

    def _training(self, role: str, dataset: str, defense: str) -> Taken:
        """A file of the training behind the defense at hand."""
        home, label = origin(dataset, defense)
        return self._trainings(home, [self.entries.trained_as(label)], role)

    def _trainings(
        self, dataset: str, defenses: Iterable[str], role: str = "weights"
    ) -> Taken:
        jobs = ({"dataset": dataset, "defense": defense} for defense in defenses)
        return self._made("train_defense", role, jobs)

    def _sources(self, spec: Spec, dataset: str) -> Taken:
        """The weights of every other defense that the threat names."""
        named = map(self.entries.trained_as, defenses_in(spec["threat"]))
        return self._trainings(base(dataset), named)

    def _features(self, spec: Spec, dataset: str) -> Taken:
        """The weights of the network by whose features a job compares images."""
        entry = spec["features"]
        if entry is None:
            return Taken([], [])
        if name := entry.get("published"):
            return self._archives([name])
        return self._trainings(base(dataset), [entry["defense"]])

    def _runs(self, rule: str, role: str, runs: Iterable[Run]) -> Taken:
        """A file of each run, in their order."""
        return self._made(rule, role, (run_names(self.specs, run) for run in runs))


def _cards_of(inputs: Inputs) -> Inputs:
    """The same where only the cards matter."""
    return {name: Taken(cards=taken.cards) for name, taken in inputs.items()}
