"""How far images on a manifold lie from their originals."""

from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import BatchRng
from pipeline_steps.datasets.loader import mixtures
from pipeline_steps.manifolds.projection import Encoding, Search


def distances(
    search: Encoding | Search, projected: Tensor, start: int, rng: BatchRng
) -> dict:
    """A column for each measure, with a number for each image of a batch.

    An exact generator is measured on mixtures too; for projected latents there is also
    the loss that the projection minimised.
    """
    images, generator = search.images, search.generator
    error = errors(projected, images, start)
    columns = {
        "worst": error.amax(dim=1),
        "mean": error.double().mean(dim=1),
        "psnr": psnr(projected, images),
    }
    if isinstance(search, Encoding):
        mixture = mixtures(images, rng)
        again = generator.decode(generator.encode(mixture))
        columns["worst_of_mixture"] = errors(again, mixture, start).amax(dim=1)
    else:
        columns["perceptual"] = search.perceptual(projected, images)
        columns["distance"] = search.losses(projected)
    return {name: column.cpu().numpy() for name, column in columns.items()}


def errors(projected: Tensor, images: Tensor, start: int) -> Tensor:
    """How far each pixel is from its original, with a row for each image."""
    error = (projected - images).abs().flatten(1)
    broken = (~error.isfinite().all(1)).nonzero().flatten()
    if len(broken):
        raise PipelineError(
            f"the generator gives no finite reconstruction of image "
            f"{start + int(broken[0])}; train it again with a lower learning_rate"
        )
    return error


def psnr(projected: Tensor, images: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, in decibels; at most 120."""
    squares = (projected - images).double().square().flatten(1).mean(1)
    return -10 * squares.clamp_min(1e-12).log10()
