"""Images that stay on the disk, of which a few batches are read before they are asked for."""

from collections.abc import Iterable
from queue import Empty, Full, Queue
from threading import Event, Thread

import numpy as np
import torch
from torch import Tensor

# Batches that wait in memory at the most.
AHEAD = 3
PATIENCE = 0.1


class StreamedImages:
    """Stands for a tensor of images: `images[rows]`, on the device.

    Which rows come is told by `expect`; a thread then reads them, in that order. Rows
    that were not expected are read when they are asked for, and end the reading ahead.
    """

    def __init__(self, mapped: np.ndarray, device: torch.device) -> None:
        self.mapped, self.device = mapped, device
        self.shape = torch.Size(mapped.shape)
        self.dtype = torch.float32 if mapped.dtype == np.float32 else torch.uint8
        self.reader: Reader | None = None

    def __len__(self) -> int:
        return len(self.mapped)

    def __getitem__(self, rows: Tensor) -> Tensor:
        rows = rows.cpu()
        images = self.reader.take(rows) if self.reader else None
        if images is None:
            self.close()
            images = self.read(rows)
        return images.to(self.device, non_blocking=True)

    def expect(self, batches: Iterable[Tensor]) -> None:
        self.close()
        self.reader = Reader(self, [rows.cpu() for rows in batches])

    def close(self) -> None:
        if self.reader:
            self.reader.close()
        self.reader = None

    def read(self, rows: Tensor) -> Tensor:
        """The rows in the order in which they were named, read in that of the file."""
        order = rows.argsort()
        images = torch.empty(len(rows), *self.shape[1:], dtype=self.dtype)
        if self.device.type == "cuda":
            images = images.pin_memory()
        array = images.numpy()
        for number, row in zip(order.tolist(), rows[order].tolist(), strict=True):
            array[number] = self.mapped[row]
        return images


class Reader:
    """A thread that reads batches in their order, as far ahead as there is room."""

    def __init__(self, images: StreamedImages, batches: list[Tensor]) -> None:
        self.batches, self.taken = batches, 0
        self.queue: Queue[Tensor | BaseException] = Queue(AHEAD)
        self.stopped = Event()
        self.thread = Thread(target=self._read, args=(images,), daemon=True)
        self.thread.start()

    def _read(self, images: StreamedImages) -> None:
        for rows in self.batches:
            try:
                batch: Tensor | BaseException = images.read(rows)
            except BaseException as error:  # told to the one who asks for these rows
                batch = error
            while not self.stopped.is_set():
                try:
                    self.queue.put(batch, timeout=PATIENCE)
                    break
                except Full:
                    continue
            if self.stopped.is_set() or isinstance(batch, BaseException):
                return

    def take(self, rows: Tensor) -> Tensor | None:
        """The next batch, if it is the one that is asked for."""
        if self.taken == len(self.batches):
            return None
        if not torch.equal(self.batches[self.taken], rows):
            return None
        self.taken += 1
        batch = self.queue.get()
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def close(self) -> None:
        self.stopped.set()
        while self.thread.is_alive():
            try:
                self.queue.get_nowait()
            except Empty:
                self.thread.join(PATIENCE)
