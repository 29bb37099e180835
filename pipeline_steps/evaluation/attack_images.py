"""Attacks a defense on a job's images, and writes the verdicts."""

from typing import Any

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.shards import WHOLE
from pipeline_steps.core.step import Job
from pipeline_steps.core.tables import write_table
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.evaluation.gather_verdicts import metrics
from pipeline_steps.evaluation.probe import probe
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import defense_of, threat_of
from pipeline_steps.evaluation.verdicts import Judge, VerdictLog
from pipeline_steps.manifolds.perceptual import perceptual_of


def attack(job: Job[AttackSpec]) -> dict[str, Any]:
    spec = job.spec
    device = prepare_device(spec.deterministic)
    model = defense_of(job).to(device)
    data = load_image_set(
        job.verified("images", "test_images"),
        job.verified("labels", "test_labels"),
        device,
        spec.images,
    )
    threat, projected = threat_of(job, device, len(data))
    sees = perceptual_of(job, device)
    how = (spec.precision, projected, sees, spec.compiled)
    judge = Judge(model, data, threat, spec.seed, *how)
    batches = (spec.shard or WHOLE).batches(len(data), spec.batch)
    log = VerdictLog()
    parts = {"log": log}
    resume = Resume(job.scratch)
    for number, _ in resume.steps(parts, len(batches), "batches", "batches"):
        log.add(judge(batches[number]), spec.kept)
    verdicts = log.table()
    write_table(job.output("verdicts"), verdicts)
    write_tensors(job.output("examples"), log.examples())
    suspect = probe(model, *judge.probed)
    suspect["same_when_asked_twice"] &= log.same_when_asked_twice
    if suspect["optimises_at_inference"]:
        suspect["attack_saw_inference"] = threat.sees_inference
    # A shard's numbers don't describe the whole defense.
    return suspect if spec.shard else metrics(verdicts) | suspect
