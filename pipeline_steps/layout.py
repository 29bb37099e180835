"""The table of results: the step that makes each kind, the names that identify a
result, and the paths of its files.

Rules, cards, releases, the report, loading, `why` and the plan all read this table; no
other module writes out a path below `results/` or `data/`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

CHANGES_NO_RESULT = True

DATA, RESULTS = "data", "results"
DATA_CARDS = f"{DATA}/cards"
SCALE = f"{RESULTS}/{{scale}}"

# What jobs keep while they run: states to resume from, locks, and descriptions.
UNFINISHED = Path(RESULTS, ".unfinished")
LOCKS = Path(RESULTS, ".locks")
JOBS = Path(RESULTS, ".jobs")
# The progress of the last run, for `robust-papers watch`.
RUN = Path(RESULTS, ".run.jsonl")


@dataclass(frozen=True)
class Result:
    """A kind of result; braces in its paths are the wildcards of its rule."""

    rule: str
    step: str
    """The package and the name of the step that makes it."""
    name: str
    """The pattern of its name, such as `{dataset}/{defense}`."""
    files: Mapping[str, str]
    """The path of each output, by role, without the card and the record."""
    card: str | None
    """The path of its card; only a page that is cheap to make again has none."""
    log: str
    large: bool = True
    """Whether the files go to DVC; Git has the rest."""
    temporary: bool = False
    """Whether it is a shard, which is deleted once all shards are gathered."""
    in_report: bool = False
    """Whether the report lists each one, with its numbers and cost."""
    gathers: str | None = None
    """The rule that makes the shards from which it is assembled."""

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """The wildcards in its name, in order."""
        return tuple(re.findall(r"\{(\w+)\}", self.name))

    @property
    def family(self) -> str:
        """The folder, below the scale's cards, that its card is in."""
        return (self.card or "").split("/")[3]

    @property
    def record(self) -> str | None:
        """The path of the record of the run that made it."""
        return self.card and self.card.removesuffix(".json") + ".record.json"

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The paths of everything that its step writes, by role."""
        beside = {"card": self.card, "record": self.record}
        return {**self.files, **{role: at for role, at in beside.items() if at}}

    def file(self, role: str, **names: str) -> str:
        """The path of one of its outputs."""
        return self.outputs[role].format(**names)

    def names_in(self, path: str) -> dict[str, str] | None:
        """The wildcards that give one of its outputs this path, if any do."""
        for pattern in self._patterns:
            if match := pattern.fullmatch(path):
                return match.groupdict()
        return None

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        # `at.record.json` is the record of `at`, not the card of an `at.record`: the
        # longest pattern comes first.
        places = sorted(self.outputs.values(), key=len, reverse=True)
        return [_pattern(place) for place in places]


@cache
def _pattern(place: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def group(word: re.Match[str]) -> str:
        first = word[1] not in seen
        seen.add(word[1])
        return f"(?P<{word[1]}>[^/]+)" if first else f"(?P={word[1]})"

    escaped = re.escape(place).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(re.sub(r"\{(\w+)\}", group, escaped))


def _dataset(step: str, name: str, files: Mapping[str, str], card: str) -> Result:
    """A result of data sets, which are the same at all scales."""
    rule = step.partition(".")[2]
    places = {role: f"{DATA}/{file}" for role, file in files.items()}
    log = f"{DATA}/logs/{rule}/{name}.log"
    return Result(rule, step, name, places, f"{DATA_CARDS}/{card}.json", log)


def _computed(
    step: str,
    family: str,
    name: str,
    files: Mapping[str, str],
    folder: str = "",
    history: bool = False,
) -> Result:
    """Large files in one folder of the scale, distinguished by their endings; cards in
    another."""
    rule = step.partition(".")[2]
    card = f"{SCALE}/cards/{family}/{name}"
    places = {
        role: f"{SCALE}/{folder or family}/{name}{end}" for role, end in files.items()
    }
    if history:  # small enough for Git
        places["history"] = f"{card}.history.csv"
    log = f"{SCALE}/logs/{rule}/{name}.log"
    return Result(rule, step, name, places, f"{card}.json", log, in_report=True)


def _in_shards(whole: Result, shards: str, gathering: str) -> tuple[Result, ...]:
    """The same result in three forms: made as a whole, its shards, and gathered from them."""
    name = f"{whole.name}/{{shard}}"
    start = f"{SCALE}/shards/{whole.family}/{name}"
    part = Result(
        shards,
        whole.step,
        name,
        {
            role.replace("{split}_", ""): start + place.rpartition(whole.name)[2]
            for role, place in whole.files.items()
            if role != "{split}_labels"
        },
        f"{start}.json",
        f"{SCALE}/logs/{shards}/{name}.log",
        temporary=True,
    )
    log = f"{SCALE}/logs/{gathering}/{whole.name}.log"
    return whole, part, replace(whole, rule=gathering, log=log, gathers=shards)


def _page(rule: str, name: str, *endings: str) -> Result:
    """A page of a paper, in each of these formats."""
    places = {end: f"{SCALE}/papers/{name}.{end}" for end in endings}
    card = f"{SCALE}/cards/papers/{name}.json"
    log = f"{SCALE}/logs/{rule}/{name}.log"
    return Result(rule, f"papers.{rule}", name, places, card, log, large=False)


GENERATOR = "{dataset}/{generator}"
MANIFOLD = "{dataset}/{generator}/{split}"
DEFENSE = "{dataset}/{defense}"
ATTACKED = "{dataset}/{defense}/{threat}"

WEIGHTS = {"weights": ".safetensors"}
TABLE = (
    _dataset(
        "datasets.fetch_dataset",
        "{dataset}",
        {"archive": "{dataset}/archive"},
        "{dataset}.archive",
    ),
    _dataset(
        "datasets.build_dataset",
        "{dataset}",
        {
            f"{split}_{what}": f"{{dataset}}/{split}.{what}.npy"
            for split in ("train", "test")
            for what in ("images", "labels")
        },
        "{dataset}",
    ),
    _dataset(
        "datasets.show_dataset",
        "{dataset}",
        {"sheet": "sheets/{dataset}.png"},
        "{dataset}.sheet",
    ),
    _dataset(
        "datasets.corrupt_dataset",
        "{dataset}.{corruption}",
        {
            f"test_{what}": f"{{dataset}}/corruptions/{{corruption}}.{what}.npy"
            for what in ("images", "labels")
        },
        "{dataset}.{corruption}",
    ),
    *(
        _computed(
            f"generators.{rule}",
            "generators",
            GENERATOR,
            WEIGHTS,
            folder="checkpoints/generators",
            history=True,
        )
        for rule in ("train_flow", "train_gan")
    ),
    *_in_shards(
        _computed(
            "manifolds.project_dataset",
            "manifolds",
            MANIFOLD,
            # The roles are those of a data set, because one can be made of it.
            {
                "latents": ".latents.npy",
                "{split}_images": ".images.npy",
                "{split}_labels": ".labels.npy",
                "errors": ".errors.parquet",
                "pictures": ".pictures.safetensors",
            },
        ),
        shards="project_shard",
        gathering="gather_manifold",
    ),
    _computed(
        "defenses.train_defense",
        "defenses",
        DEFENSE,
        {**WEIGHTS, "snapshots": ".snapshots.safetensors"},
        folder="checkpoints/defenses",
        history=True,
    ),
    _computed(
        "defenses.adopt_defense",
        "defenses",
        DEFENSE,
        WEIGHTS,
        folder="checkpoints/defenses",
    ),
    *_in_shards(
        _computed(
            "evaluation.attack_defense",
            "verdicts",
            ATTACKED,
            {"verdicts": ".parquet", "examples": ".examples.safetensors"},
        ),
        shards="attack_shard",
        gathering="gather_verdicts",
    ),
    replace(
        _computed(
            "evaluation.explain_defense",
            "explanations",
            ATTACKED,
            {"maps": ".safetensors"},
        ),
        in_report=False,
    ),
    _computed("evaluation.attack_snapshots", "curves", ATTACKED, {"curve": ".parquet"}),
    _page("make_table", "{paper}/{table}", "json", "csv", "html", "png", "tex"),
    _page("make_figure", "{paper}/{figure}", "png", "svg"),
    _page("calibrate", "{paper}/{calibration}", "csv", "html"),
    _page("check_claims", "{paper}/claims", "json", "csv"),
    Result(
        "gather_claims",
        "papers.gather_claims",
        "",
        {end: f"{SCALE}/claims.{end}" for end in ("json", "csv", "html")},
        f"{SCALE}/cards/papers/claims.json",
        f"{SCALE}/logs/gather_claims.log",
        large=False,
    ),
    Result(
        "make_report",
        "papers.make_report",
        "",
        {
            "index": f"{SCALE}/index.html",
            "csv": f"{SCALE}/runs.csv",
            "html": f"{SCALE}/runs.html",
            "summary": f"{SCALE}/summary.json",
        },
        None,
        f"{SCALE}/logs/make_report.log",
        large=False,
    ),
)

RULES = {result.rule: result for result in TABLE}


def file(rule: str, role: str, **names: str) -> str:
    """The path of an output of the job with these names."""
    return RULES[rule].file(role, **names)


def card(rule: str, **names: str) -> str:
    return file(rule, "card", **names)


def kinds_of(path: str) -> Iterator[tuple[Result, dict[str, str]]]:
    """The kinds of result that a file may belong to, by its path alone."""
    for result in TABLE:
        names = result.names_in(path)
        if names is not None:
            yield result, names


def scale_folder(scale: str) -> Path:
    """The folder of everything that a scale makes."""
    return Path(SCALE.format(scale=scale))


def large_folders(scale: str) -> list[Path]:
    """The folders of the files that DVC keeps."""
    return [scale_folder(scale) / name for name in LARGE_FOLDERS]


def card_folder(scale: str) -> Path:
    return scale_folder(scale) / "cards"


def plan_folder(scale: str) -> Path:
    """What `make plan` writes."""
    return scale_folder(scale) / "plan"


def is_large(file: Path) -> bool:
    """Whether a file's bytes belong to DVC."""
    parts = file.parts
    if parts[0] == DATA:
        return len(parts) > 2 and parts[1] not in ("cards", "logs")
    return len(parts) > 3 and parts[2] in LARGE_FOLDERS


def name_of(card: Path) -> str:
    """A result's name from its card's path: `verdicts/digits/at/pgd20`."""
    return str(card.with_suffix("")).rpartition("cards/")[2]


def is_card(path: Path) -> bool:
    """Whether a file is a card, by its path alone."""
    beside = path.name.endswith(".record.json")
    return "cards" in path.parts and path.suffix == ".json" and not beside


_OF_SCALE = [
    result
    for result in TABLE
    if result.large and not result.temporary and str(result.card).startswith(SCALE)
]
# The families of results whose every card the report lists.
REPORTED = tuple(dict.fromkeys(r.family for r in _OF_SCALE if r.in_report))
# The folders of a scale whose files DVC keeps.
LARGE_FOLDERS = tuple(
    sorted(
        {
            place.split("/")[2]
            for result in _OF_SCALE
            for role, place in result.files.items()
            if role != "history"
        }
    )
)
