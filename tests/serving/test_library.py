"""Which version is shown, and how soon it is said that a store is lost, by a clock of its own."""

import asyncio
import selectors
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from ml.artifacts.folder_store import FolderStore
from serving.command import LONGEST_PATIENCE, patience_of
from serving.library import LOST, Library, LibraryRules
from serving.mirror import open_mirror
from tests.serving.versions import PLAIN, make_served

POLL = 30.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock goes on only while all wait, at once to what is next.

    What a thread does takes no time of this clock.
    """

    def __init__(self):
        super().__init__(selectors.DefaultSelector())
        self._now, self._threads, self._wait = 0.0, 0, self._selector.select
        self._selector.select = self._select

    def time(self):
        return self._now

    def _select(self, timeout=None):
        if timeout is None or (timeout > 0 and self._threads):
            return self._wait(None)
        self._now += timeout
        return self._wait(0)

    def run_in_executor(self, executor, func, *args):
        self._threads += 1
        running = super().run_in_executor(executor, func, *args)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, _):
        self._threads -= 1


@pytest.fixture
def library(tmp_path):
    """A library of a folder with one version; what hides the folder, and what brings it back."""
    store, hidden = tmp_path / "store", tmp_path / "hidden"
    make_served(store, items=PLAIN[:3])
    mirror = open_mirror(tmp_path / "cache", "store", 1)
    made = Library(FolderStore(store), mirror, LibraryRules(POLL))
    return made, lambda: store.rename(hidden), lambda: hidden.rename(store)


def told(shown):
    return shown.stale, shown.headers[b"x-stale"], b'"stale":true' in shown.answer(b"[]")


def test_one_look_tells_that_the_store_is_lost_and_one_that_it_is_back(library):
    library, lose, find = library
    library.look()
    version = library.now().version
    assert told(library.now()) == (False, b"false", False)
    lose()
    library.look()
    assert told(library.now()) == (True, f"true; {LOST}".encode(), True)
    assert library.now().version is version
    find()
    library.look()
    assert told(library.now()) == (False, b"false", False)
    assert library.now().version is version


def test_whenever_a_store_is_lost_it_is_told_within_one_poll(library):
    library, lose, find = library
    draw = Random(7)
    loop = VirtualLoop()

    async def live():
        await asyncio.to_thread(library.look)
        watching = asyncio.create_task(library.watch())
        for _ in range(20):
            await asyncio.sleep(draw.uniform(0, 2 * POLL))
            assert not library.now().stale
            lose()
            # A store that does not answer at all is waited for, and that is part of the poll.
            await asyncio.sleep(POLL - patience_of(POLL))
            assert library.now().reason == LOST
            find()
            await asyncio.sleep(POLL - patience_of(POLL))
        watching.cancel()

    try:  # in a thread of its own, for the browser of other tests has a loop in this one
        with ThreadPoolExecutor(1) as thread:
            thread.submit(loop.run_until_complete, live()).result()
    finally:
        loop.close()


@pytest.mark.parametrize(("poll", "patience"), [(0.5, 0.1), (10.0, 2.0), (600.0, 5.0)])
def test_a_store_that_does_not_answer_is_given_up_within_the_poll(poll, patience):
    assert patience_of(poll) == pytest.approx(patience)
    assert patience_of(poll) <= LONGEST_PATIENCE
