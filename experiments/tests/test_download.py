"""MNIST over the network: what a mirror may do, and what it leaves behind.

A mirror that keeps silent or drips is given up after tenths of a second; every other one has time, so that a slow
machine changes nothing.
"""

from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from experiments.tests import mirrors as play
from experiments.tests.memory import at_most
from experiments.tests.mirrors import Answer, Mirrors
from experiments.tests.small_mnist import FILES, NAMES, assert_right, write
from experiments.training import data
from experiments.training.data import DataError
from experiments.training.download import REDIRECTS, DownloadError, fetch

PATIENT = {"timeout": 600.0, "limit": 1200.0}  # enough for what comes, however slow the machine
MOST = FILES[0].longest


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FILES", FILES)


@pytest.fixture
def mirrors() -> Iterator[Mirrors]:
    served = Mirrors()
    yield served
    served.close()


def names(folder: Path) -> list[str]:
    """What lies there, but for the file that keeps two processes from fetching at once."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("right", [play.good, play.unannounced, play.moved], ids=lambda answer: answer.__name__)
def test_a_download_is_cached(mirrors: Mirrors, tmp_path: Path, right: Answer) -> None:
    url, _ = mirrors(right, play.good)
    assert_right(data.mnist(mirrors=[url], cache=tmp_path, **PATIENT))
    asked = len(mirrors.asked)
    assert [path for path in mirrors.asked if right.__name__ in path] == [f"/{right.__name__}/{n}.gz" for n in NAMES]
    assert_right(data.mnist(mirrors=[url], cache=tmp_path, **PATIENT))
    assert len(mirrors.asked) == asked
    assert names(tmp_path) == sorted(f"{name}.gz" for name in NAMES)


BAD: dict[Answer, str] = {
    play.not_found: "it answers 404 Not Found",
    play.broken: r"it answers 503 \?\[2J",
    play.web_page: "it is a web page",
    play.swapped: "swapped",
    play.half: r"it broke off: \d+ of \d+ bytes came",
    play.half_unannounced: "truncated",
    play.announces_less: "truncated",
    play.announces_too_much: f"it announces 1000000000000 bytes, more than the {MOST} that the file can have",
    play.endless: f"it sends more than the {MOST} bytes that the file can have",
    play.endless_redirection: f"it sends more than the {MOST} bytes",
    play.redirected_for_ever: f"it redirects more than {REDIRECTS} times",
    play.redirected_to_a_file: "it redirects to file:///etc/hostname, which is not a web address",
    play.no_http: r"\?",
    play.endless_header: "line",
    play.hangs_up: "closed connection without response",
    play.changing: "swapped",
}
SLOW: dict[Answer, tuple[str, dict[str, float]]] = {
    play.silent: ("timed out: it was silent for 0.3 s", {"timeout": 0.3, "limit": 1200.0}),
    play.stalling: ("timed out: it was silent for 0.3 s", {"timeout": 0.3, "limit": 1200.0}),
    play.dripping: ("timed out: the file was not there after 0.5 s", {"timeout": 600.0, "limit": 0.5}),
    play.dripping_header: ("timed out: the file was not there after 0.5 s", {"timeout": 600.0, "limit": 0.5}),
}
EVERY = {answer: (message, PATIENT) for answer, message in BAD.items()} | SLOW


@pytest.mark.parametrize("bad", EVERY, ids=lambda answer: answer.__name__)
def test_a_bad_mirror_leaves_nothing_behind(mirrors: Mirrors, tmp_path: Path, bad: Answer) -> None:
    url, _ = mirrors(bad, play.endless)
    message, patience = EVERY[bad]
    with pytest.raises(DataError) as caught:
        data.mnist(mirrors=[url], cache=tmp_path, **patience)
    said = f"  {url}train-images.gz: .*{message}.*"
    caught.match(f"train-images.gz could not be downloaded into .*\n{said}\nCheck the network. Put the four")
    assert str(caught.value).replace("\n", "").isprintable()
    assert names(tmp_path) == []


@pytest.mark.parametrize("bad", EVERY, ids=lambda answer: answer.__name__)
def test_the_next_mirror_is_tried(
    mirrors: Mirrors, tmp_path: Path, bad: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bad one is given up as soon as it is silent or slow; the good one has all the time that it needs."""
    (write(tmp_path) / "train-images.gz").unlink()
    urls = mirrors(bad, play.endless, play.good)
    _, hasty = EVERY[bad]

    def fetch_by_mirror(url: str, most: int, silence: float, limit: float, progress: bool) -> bytearray:
        patience = hasty if url.startswith(urls[0]) else PATIENT
        return fetch(url, most, patience["timeout"], patience["limit"], progress)

    monkeypatch.setattr(data, "fetch", fetch_by_mirror)
    assert_right(data.mnist(mirrors=[urls[0], urls[2]], cache=tmp_path, **PATIENT))
    assert mirrors.asked[-1] == "/good/train-images.gz"
    assert names(tmp_path) == sorted(f"{name}.gz" for name in NAMES)


def test_a_mirror_that_changes_is_asked_again_the_next_time(mirrors: Mirrors, tmp_path: Path) -> None:
    urls = mirrors(play.changing)
    assert_right(data.mnist(mirrors=urls * 2, cache=tmp_path, **PATIENT))
    assert mirrors.asked == [f"/changing/{name}.gz" for name in NAMES for _ in range(2)]


@pytest.mark.parametrize("big", [play.endless, play.endless_redirection, play.endless_header])
def test_memory_is_bounded(mirrors: Mirrors, big: Answer) -> None:
    url = mirrors(big, play.endless)[0]
    with at_most(5_000_000), pytest.raises(DownloadError):  # 1 MB that may come, buffers, and the server's part
        fetch(f"{url}train-images.gz", 10**6, 600, 1200)


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"(?s)could not be downloaded.*http://127.0.0.1:9/.*refused.*Check the network"
    ):
        data.mnist(mirrors=["http://127.0.0.1:9/"], cache=tmp_path, **PATIENT)
    assert names(tmp_path) == []


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_file_that_spoiled_in_the_cache_is_downloaded_again(mirrors: Mirrors, tmp_path: Path) -> None:
    (tmp_path / "train-images.gz").write_bytes(b"spoiled")
    assert_right(data.mnist(mirrors=mirrors(play.good), cache=tmp_path, **PATIENT))


@pytest.mark.parametrize("target", ["nothing", "mine", "/dev/zero", "train-images.gz"])
def test_a_link_in_the_cache_is_replaced_and_what_it_leads_to_stays(
    mirrors: Mirrors, tmp_path: Path, target: str
) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "train-images.gz").symlink_to(target)
    assert_right(data.mnist(mirrors=mirrors(play.good), cache=tmp_path, **PATIENT))
    assert not (tmp_path / "train-images.gz").is_symlink()
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_under_the_name_of_a_file(mirrors: Mirrors, tmp_path: Path) -> None:
    (tmp_path / "train-images.gz").mkdir()
    with pytest.raises(DataError, match=r"train-images.gz could not be downloaded into .*directory"):
        data.mnist(mirrors=mirrors(play.good), cache=tmp_path, **PATIENT)
    assert names(tmp_path) == ["train-images.gz"]


def test_a_cache_that_cannot_be_written(mirrors: Mirrors, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be downloaded into"):
        data.mnist(mirrors=mirrors(play.good), cache=tmp_path / "file" / "cache", **PATIENT)
    assert mirrors.asked == []


def test_a_full_disk(mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_impl.files.whole.os.fsync", full)
    with pytest.raises(DataError, match=r"could not be downloaded into .*No space left on device"):
        data.mnist(mirrors=mirrors(play.good), cache=tmp_path, **PATIENT)
    assert names(tmp_path) == []


def test_four_at_once_fetch_each_file_once(mirrors: Mirrors, tmp_path: Path) -> None:
    urls = mirrors(play.slow)
    with ThreadPool(4) as pool:
        for got in pool.map(lambda _: data.mnist(mirrors=urls, cache=tmp_path, **PATIENT), range(4)):
            assert_right(got)
    assert mirrors.asked == [f"/slow/{name}.gz" for name in NAMES]
