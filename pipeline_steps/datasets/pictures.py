"""Opens image files, of the formats that data sets come in and of no other.

Pillow reads forty, one of which (EPS) starts Ghostscript on what the file holds.
"""

from io import BytesIO
from typing import IO

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF")
# Pillow warns from here on; the largest photograph of ImageNet has two thirds of it.
MOST_PIXELS = 89_000_000
# What Pillow raises for a file that is damaged, or no picture.
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError),
    Image.DecompressionBombError,
)


def open_picture(
    content: bytes | IO[bytes], formats: tuple[str, ...] = FORMATS
) -> Image.Image:
    """A picture whose header was read; it is decoded when its pixels are asked for.

    It raises what Pillow raises, and `ValueError` where there are too many pixels.
    """
    file = BytesIO(content) if isinstance(content, bytes) else content
    picture = Image.open(file, formats=formats)
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"it has {width:,} x {height:,} pixels, and {MOST_PIXELS:,} are the most"
        )
    return picture
