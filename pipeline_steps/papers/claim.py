"""A claim: a sentence of a paper that numbers can decide."""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pipeline_steps.core.settings import Settings
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.spec import Key, Run, judged, keys

Relation = Literal["<", ">", "within"]


def near(value: float, bound: float) -> bool:
    return abs(value) <= bound


RELATIONS: dict[Relation, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "within": near,
}


class Sparse(Settings):
    """Dumped without its defaults, because a job's command line is limited to 128
    kB."""

    @model_serializer(mode="wrap")
    def _serialised(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = whole(self)
        return {key: value for key, value in values.items() if value not in (None, [])}


class Quantity(Sparse):
    """A measured quantity: an accuracy in percent, an error, or how far images were
    moved."""

    defense: str | None = None
    """The defense whose accuracy it is."""
    threat: str | None = None
    """Under which threat."""
    worst_of: list[str] = Field(default_factory=list)
    """Instead of a threat: several, all of which an image must withstand."""
    mean_of: list[str] = Field(default_factory=list)
    """Instead of a threat: several, over which the accuracy is averaged."""
    corruptions: list[str] = Field(default_factory=list)
    """The mean over these corruptions of the test images, at all severities."""
    trained_on: str | None = None
    """The data set that the defense was trained on, if it is evaluated on another."""
    epoch: Literal["last", "best"] | None = None
    """Which of the weights that were kept during training."""
    size: Literal["linf", "l2"] | None = None
    """Instead of accuracy: how far the threat moves an image, on average."""
    manifold: str | None = None
    """The generator whose manifold the metric is about."""
    metric: str | None = None
    """A metric of that manifold's card."""

    @property
    def threats(self) -> list[str]:
        return [self.threat] if self.threat else self.worst_of or self.mean_of

    def behind(self, dataset: str, stand_ins: Mapping[str, str]) -> list[Key]:
        """The jobs behind an accuracy."""
        if self.defense is None:
            return []
        home = stand_ins.get(self.trained_on or "", self.trained_on)
        defense = judged(self.defense, dataset, home)
        return keys(dataset, defense, self.threats, self.corruptions)

    def over(self, more: "Quantity") -> "Quantity":
        """This quantity, with missing keys taken from another."""
        open_ = Quantity.model_fields.keys() - (UNDER if self.threats else set())
        open_values = more.model_dump(include=open_)
        return Quantity(
            **open_values | self.model_dump(include=set(Quantity.model_fields))
        )


UNDER = {"threat", "worst_of", "mean_of", "corruptions"}


class Side(Quantity):
    """One side of a comparison."""

    each_of: list[str] = Field(default_factory=list)
    """Instead of a defense: several, for each of which the comparison must hold."""
    less: Quantity | None = None
    """What is subtracted, for a gain or a gap; keys that it leaves out are those of
    this side."""
    number: float | None = None
    """A number."""

    def sides(self, under: Quantity) -> list["Side"]:
        """One for each defense, with nothing left open."""
        return [
            Side(
                **dict(whole),
                less=self.less and self.less.over(whole),
                number=self.number,
            )
            for name in self.each_of or filter(None, [self.defense])
            for whole in [Quantity(defense=name).over(self).over(under)]
        ] or [self]


class Comparison(Sparse):
    """Two quantities, and their relation according to the paper."""

    left: Side
    """What is compared."""
    relation: Relation
    """The relation to the right side; `within` a number means no further from zero."""
    right: Side
    """What it is compared with."""
    under: list[str] = Field(default_factory=list)
    """Threats under each of which it must hold, if the sides name none."""

    def each(self) -> list["Comparison"]:
        """One for each threat and each defense that it speaks of."""
        return [
            Comparison(left=left, relation=self.relation, right=right)
            for under in [Quantity(threat=threat) for threat in self.under]
            or [Quantity()]
            for left in self.left.sides(under)
            for right in self.right.sides(under)
        ]

    @property
    def quantities(self) -> list[Quantity]:
        sides = (self.left, self.right)
        return [
            quantity for side in sides for quantity in (side, side.less) if quantity
        ]


class Claim(Sparse):
    """A sentence of a paper as comparisons that must all hold."""

    name: str
    """A short, unique name."""
    place: str
    """Where the paper says it."""
    says: str
    """What it says, in our words."""
    dataset: str
    """The data set that it is about."""
    holds: list[Comparison] = Field(default_factory=list)
    """Comparisons that must all hold."""
    not_run: str | None = None
    """Why it can't be decided yet."""
    ours: bool = False
    """Whether the claim is ours, not the paper's."""

    @property
    def comparisons(self) -> list[Comparison]:
        return [single for comparison in self.holds for single in comparison.each()]

    @property
    def quantities(self) -> list[Quantity]:
        return [
            quantity
            for comparison in self.comparisons
            for quantity in comparison.quantities
        ]


class Result(NamedTuple):
    """What a claim rests on: verdicts, a curve, or a manifold."""

    family: str
    dataset: str
    of: str
    """A defense or a generator."""
    threat: str = ""

    def __str__(self) -> str:
        corrupted = f" on {self.dataset}" if "." in self.dataset else ""
        under = f" under {self.threat}" if self.threat else ""
        return self.of + under + corrupted


class LeftOut(Settings):
    """The results that a claim needs and the scale does not make."""

    results: list[Result]
    """The first few."""
    more: int = 0
    """How many besides."""


class ClaimsSpec(Settings):
    """The claims of one paper. Which files decide them follows: they would be a long list."""

    scale: str
    papers_size: bool
    """Whether everything has the papers' size."""
    stand_ins: dict[str, str]
    """What was really used in place of a data set that a paper names."""
    paper: str
    claims: list[Claim]
    printed: dict[str, bool]
    """By a claim's name: whether it holds for the numbers that the paper prints."""
    seeds: list[int]
    once: list[str]
    """Models that were not trained here, and so not from each seed."""

    def used(self, claim: Claim) -> str:
        """The data set that a claim was really decided on."""
        return self.stand_ins.get(claim.dataset, claim.dataset)

    def results(self, claim: Claim) -> Iterator[Result]:
        dataset = self.used(claim)
        for quantity in claim.quantities:
            family = "curves" if quantity.epoch else "verdicts"
            for key in quantity.behind(dataset, self.stand_ins):
                yield Result(family, *key)
            if quantity.manifold:
                yield Result("manifolds", dataset, quantity.manifold)

    @property
    def runs(self) -> list[Run]:
        """One for each input file of verdicts, in the same order."""
        return [*self._runs("verdicts")]

    @property
    def curves(self) -> list[Run]:
        """One for each input file of a training's curve, in the same order."""
        return [*self._runs("curves")]

    @property
    def manifolds(self) -> list[str]:
        """One for each input card of a manifold, in the same order."""
        return [f"{result.dataset}/{result.of}" for result in self._all("manifolds")]

    def _all(self, family: str) -> Iterable[Result]:
        results = (result for claim in self.claims for result in self.results(claim))
        return dict.fromkeys(result for result in results if result.family == family)

    def _runs(self, family: str) -> Iterator[Run]:
        for _, dataset, of, threat in self._all(family):
            for seed in self.seeds[:1] if of in self.once else self.seeds:
                yield Run(dataset=dataset, defense=of, threat=threat, seed=seed)


class AllClaimsSpec(Settings):
    """The papers whose claims are gathered, one for each input file, in the same order."""

    scale: str
    papers_size: bool
    datasets: list[str]
    """What the claims were decided on."""
    papers: list[str]
    names: Names = Names()
    """Readers' names for what the claims are about."""
    left_out: dict[str, LeftOut] = Field(default_factory=dict)
    """By a claim's name: what it lacks at this scale."""
