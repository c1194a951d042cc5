"""The two files of lines: modes, refusals, short writes, and what a lost disk or descriptor does."""

import errno
import json
import os
import stat

import pytest
from reporter_samples import DOUBLE, RECORD

from rasp.errors import ConfigError
from rasp.reporters import jsonl
from rasp.reporters.jsonl import AppendFile, EventsFile, FindingsFile
from rasp.reporters.serialise import finding_line, record_line


@pytest.fixture
def path(tmp_path):
    return tmp_path / "findings.jsonl"


@pytest.fixture
def lines(path):
    file = AppendFile(path, "findings")
    yield file
    file.close()


def test_findings_and_counts_are_lines_and_records_are_not(path):
    reporter = FindingsFile(path)
    reporter.finding(DOUBLE)
    reporter.recount(DOUBLE)
    reporter.record(RECORD, (DOUBLE,))
    reporter.close()
    assert path.read_bytes() == finding_line(DOUBLE) * 2


def test_records_are_lines_and_findings_are_not(path):
    reporter = EventsFile(path)
    reporter.finding(DOUBLE)
    reporter.recount(DOUBLE)
    reporter.record(RECORD, (DOUBLE,))
    reporter.close()
    assert path.read_bytes() == record_line(RECORD)


def test_file_is_private_appended_to_and_not_inherited(path, lines):
    path.write_bytes(b"before\n")
    lines.write(b"after\n")
    assert path.read_bytes() == b"before\nafter\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not os.get_inheritable(lines._descriptor)


def test_path_stays_when_the_process_changes_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = AppendFile("x.jsonl", "findings")
    assert file.path == str(tmp_path / "x.jsonl")
    file.close()


def test_missing_folder_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError) as caught:
        FindingsFile(tmp_path / "no" / "f.jsonl")
    assert str(caught.value) == (
        f"findings = '{tmp_path}/no/f.jsonl' cannot be opened for appending: "
        f"the folder '{tmp_path}/no' does not exist; create it or name another file"
    )


def test_symbolic_link_is_refused_and_its_target_untouched(tmp_path, path):
    target = tmp_path / "target"
    path.symlink_to(target)
    with pytest.raises(ConfigError, match="is a symbolic link, which rasp does not follow"):
        EventsFile(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.EACCES, "not writable"), (errno.EROFS, "not writable"), (errno.EMFILE, "Too many open files")],
)
def test_refusal_of_the_system_is_named(path, monkeypatch, number, text):
    def refuse(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(jsonl.os, "open", refuse)
    with pytest.raises(ConfigError, match=text):
        FindingsFile(path)


def test_folder_and_fifo_are_refused_without_waiting(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        FindingsFile(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not a regular file"):
        FindingsFile(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ConfigError, match="not a regular file"):
            FindingsFile(tmp_path / "fifo")
    finally:
        os.close(reader)


def test_short_writes_are_completed(path, lines, monkeypatch):
    write = os.write
    monkeypatch.setattr(jsonl.os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    lines.write(b"a longer line\n")
    assert path.read_bytes() == b"a longer line\n"


def test_full_disk_raises_only_oserror_and_a_torn_line_does_not_swallow_the_next(path, lines, monkeypatch):
    write = os.write
    written = []

    def fill(descriptor, data):
        if written:
            raise OSError(errno.ENOSPC, "full")
        written.append(1)
        return write(descriptor, data[:4])

    with monkeypatch.context() as full:
        full.setattr(jsonl.os, "write", fill)
        with pytest.raises(OSError, match="full"):
            lines.write(b"torn line\n")
    lines.write(b"whole\n")
    lines.write(b"whole\n")
    assert path.read_bytes() == b"torn\nwhole\nwhole\n"


def test_removed_file_raises_nothing(path, lines):
    path.unlink()
    lines.write(b"gone\n")


def test_descriptor_closed_by_the_app_is_opened_again_and_a_strangers_is_left_alone(tmp_path, path, lines):
    os.close(lines._descriptor)
    stranger = os.open(tmp_path / "stranger", os.O_RDWR | os.O_CREAT)
    assert stranger == lines._descriptor
    lines.write(b"line\n")
    assert path.read_bytes() == b"line\n"
    assert (tmp_path / "stranger").read_bytes() == b""
    os.close(stranger)


def test_reopening_that_fails_raises_oserror(tmp_path, path, lines):
    os.close(lines._descriptor)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="cannot be opened"):
        lines.write(b"line\n")


def test_closed_file_takes_no_more_lines(path, lines):
    lines.close()
    lines.close()
    with pytest.raises(OSError, match="findings file is closed"):
        lines.write(b"line\n")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a parallel run has threads of its own
def test_lines_of_a_parent_and_its_forked_child_stay_whole(path, lines):
    child = os.fork()
    if child == 0:
        for _ in range(200):
            lines.write(finding_line(DOUBLE))
        os._exit(0)
    for _ in range(200):
        lines.write(finding_line(DOUBLE))
    assert os.waitpid(child, 0)[1] == 0
    assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == 400
