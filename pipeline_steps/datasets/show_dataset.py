"""Draw a data set's contact sheet."""

from typing import Any

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.sheet import contact_sheet
from pipeline_steps.datasets.spec import SheetSpec


def main(job: Job[SheetSpec]) -> dict[str, Any]:
    images = read_array(job.verified("images", "train_images"))
    labels = read_array(job.verified("labels", "train_labels"))
    names = read_card(job.input("images_card")).metrics["names"]
    contact_sheet(images, labels, names, job.spec.per_class).save(job.output("sheet"))
    return {}


if __name__ == "__main__":
    run("datasets.show_dataset", SheetSpec, main)
