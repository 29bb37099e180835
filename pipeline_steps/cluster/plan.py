"""Tells what a scale will cost before anything is submitted.

    python -m pipeline_steps.cluster.plan [--scale SCALE] [snakemake's arguments]

How many jobs there are, what they take of GPUs by stage and by paper, and how long all of
it lasts on 1, 8 and 64 GPUs; as text, and in results/SCALE/plan/ as tables and a figure.
"""

import argparse
import sys

from pipeline_steps.cluster.cost_plan import make_plan
from pipeline_steps.cluster.plan_figure import draw
from pipeline_steps.cluster.plan_tables import text, write_tables
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.layout import plan_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", help="the slurm profile's, if none is told")
    options, arguments = parser.parse_known_args()
    try:
        plan = make_plan(options.scale, arguments)
        folder = plan_folder(plan.scale)
        folder.mkdir(parents=True, exist_ok=True)
        write_tables(plan, folder)
        draw(plan, folder)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print(text(plan))
    print(f"\nTables and figure: {folder}")


if __name__ == "__main__":
    main()
