"""Unpacking: whole archives of every kind; and everything that must not be unpacked leaves nothing behind."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from amodalsynth.assets.unpack import unpack
from amodalsynth.errors import AssetDamaged

FILES = {"set/a/1.jpg": b"one" * 1000, "set/a/2.jpg": b"two", "set/b/3.jpg": b""}


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w", *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def make_zip(path: Path, files: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(archive: Path, named: str, *, max_files: int = 100, max_bytes: int = 10**6) -> None:
    """Unpacking raises one line that names `named`, and nothing is left or touched beside the archive."""
    inside = archive.parent / "inside"
    with pytest.raises(AssetDamaged) as caught:
        unpack(archive, inside / "out", max_files=max_files, max_bytes=max_bytes)
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert not (inside / "out").exists()
    assert {path.name for path in archive.parent.iterdir()} == {archive.name, "inside"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_whole_tar(tmp_path: Path, mode: str) -> None:
    archive = make_tar(tmp_path / "any.name", FILES, mode, special("set/empty", tarfile.DIRTYPE))
    done = []
    assert unpack(archive, tmp_path / "out", max_files=4, max_bytes=3003, progress=done.append) == 3
    assert contents(tmp_path / "out") == FILES
    assert (tmp_path / "out/set/empty").is_dir()
    assert done == [1, 2, 3]


def test_a_whole_zip(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "any.name", {**FILES, "set/empty/": b""}, mode=0)
    assert unpack(archive, tmp_path / "out", max_files=4, max_bytes=3003) == 3
    assert contents(tmp_path / "out") == FILES
    assert (tmp_path / "out/set/empty").is_dir()


EVIL_NAMES = ["/tmp/evil.jpg", "../evil.jpg", "set/../../evil.jpg", "set/..", "..\\evil.jpg", "C:/evil.jpg"]


@pytest.mark.parametrize("name", EVIL_NAMES)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_name_that_leads_out(tmp_path: Path, make, name: str) -> None:
    assert_refused(make(tmp_path / "evil", {"good.jpg": b"1", name: b"2"}), name)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../../outside"),
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "inside.jpg"),
        (tarfile.LNKTYPE, "../../outside"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_a_link_or_a_device_in_a_tar(tmp_path: Path, kind: bytes, target: str) -> None:
    assert_refused(make_tar(tmp_path / "evil", {"good.jpg": b"1"}, "w:gz", special("evil.jpg", kind, target)), "evil.jpg")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_in_a_zip(tmp_path: Path, kind: int) -> None:
    assert_refused(make_zip(tmp_path / "evil", {"evil.jpg": b"/etc/passwd"}, kind | 0o777), "evil.jpg")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_too_many_files(tmp_path: Path, make) -> None:
    archive = make(tmp_path / "many", {f"{index}.jpg": b"" for index in range(6)})
    assert_refused(archive, "5.jpg", max_files=5)
    assert unpack(archive, tmp_path / "out", max_files=6, max_bytes=0) == 6


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_bomb(tmp_path: Path, make) -> None:
    assert_refused(make(tmp_path / "bomb", {"good.jpg": b"1", "bomb.jpg": bytes(5_000_000)}), "bomb.jpg", max_bytes=4_000_000)


def test_a_zip_whose_headers_lie_about_the_size(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "bomb", {"bomb.jpg": bytes(5_000_000)})
    honest, lie = (5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    content = archive.read_bytes()
    assert content.count(honest) == 2
    archive.write_bytes(content.replace(honest, lie))
    assert_refused(archive, "bomb", max_bytes=1000)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_member_where_another_one_lies(tmp_path: Path, make) -> None:
    assert_refused(make(tmp_path / "twice", {"a": b"1", "a/b.jpg": b"2"}), "a/b.jpg")
    (tmp_path / "twice").unlink()
    assert_refused(make(tmp_path / "twice", {"a.jpg": b"1", "./a.jpg": b"2"}), "a.jpg")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_tar(tmp_path: Path, mode: str) -> None:
    files = {f"{index}.jpg": bytes(f"{index}", "ascii") * 3000 for index in range(100)}
    whole = make_tar(tmp_path / "cut", files, mode).read_bytes()
    for length in (len(whole) // 2, 10, 0):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert_refused(tmp_path / "cut", "cut")


def test_a_tar_cut_off_between_two_members(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "cut", {f"{index}.jpg": b"x" * 512 for index in range(9)}).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: 5 * 1024])
    assert_refused(tmp_path / "cut", "cut")


def test_a_truncated_or_altered_zip(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "cut", {"a.jpg": bytes(range(256)) * 20})
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-30])
    assert_refused(archive, "cut")
    archive.write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    assert_refused(archive, "cut")


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"<html>404</html>" * 100)
    assert_refused(tmp_path / "page", "page")


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(make_tar(tmp_path / "a", FILES), tmp_path / "out", max_files=9, max_bytes=10**6, progress=interrupt)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        unpack(make_tar(tmp_path / "a", FILES), tmp_path / "out", max_files=9, max_bytes=10**6)
    assert contents(tmp_path / "out") == {"mine.txt": b"mine"}
