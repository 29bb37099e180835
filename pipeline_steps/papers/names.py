"""What people call defenses, threats and data sets: "AT under PGD-20", not `at`, `pgd20`."""

from pydantic import Field

from pipeline_steps.core.settings import Settings
from pipeline_steps.papers.spec import BEST, FROM


class Names(Settings):
    """Names for people, by the names that stand in the config and in paths.

    Without any, a thing goes by its name in the config.
    """

    datasets: dict[str, str] = Field(default_factory=dict)
    """Of data sets."""
    generators: dict[str, str] = Field(default_factory=dict)
    """Of generators, and so of their manifolds."""
    defenses: dict[str, str] = Field(default_factory=dict)
    """Of defenses."""
    threats: dict[str, str] = Field(default_factory=dict)
    """Of threats."""

    def dataset(self, name: str) -> str:
        """A data set; `cifar10.fog` is a corrupted one."""
        whole, dot, corruption = name.partition(".")
        shown = self.datasets.get(whole, whole)
        return f"{shown} with {corruption.replace('_', ' ')}" if dot else shown

    def defense(self, label: str) -> str:
        """A defense as paths name it: `at@1` is of seed 1, `at.best` its best weights."""
        here, _, home = label.partition(FROM)
        best = here.endswith(BEST)
        name, _, seed = here.removesuffix(BEST).partition("@")
        parts = [self.defenses.get(name, name)]
        parts += [f"seed {seed}"] if seed else []
        parts += ["best weights"] if best else []
        parts += [f"trained on {self.dataset(home)}"] if home else []
        return ", ".join(parts)

    def threat(self, name: str) -> str:
        return self.threats.get(name, name)

    def generator(self, name: str) -> str:
        return self.generators.get(name, name)


PLAIN = Names()
"""Things by their names in the config, as CSV files have them."""
