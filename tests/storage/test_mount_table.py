"""Which folders the mount table says are on a disk that can hang."""

from __future__ import annotations

import pytest

from fastfile.storage.mount_table import has_remote

TABLE = rb"""21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw,nosuid shared:5 - proc proc rw
30 21 0:40 / /srv/nas rw master:1 shared:2 - nfs4 nas:/export rw
31 30 8:2 / /srv/nas/local rw - xfs /dev/sdb rw
32 21 0:41 / /mnt/my\040disk rw - fuse.sshfs host: rw
33 21 0:42 / /mnt/over rw - nfs old: rw
34 21 8:3 / /mnt/over rw - ext4 /dev/sdc rw
35 21 0:43 / /c rw - 9p drvfs rw
broken
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (b"/home/me/site", False),
        (b"/srv/nas", True),
        (b"/srv/nas/site", True),
        (b"/srv/nascent", False),
        (b"/srv/nas/local/site", False),
        (b"/srv", True),  # a part of the site is
        (b"/", True),
        (b"/mnt/my disk/dist", True),
        (b"/mnt/over", False),
        (b"/c/Users/me/dist", True),
    ],
)
def test_a_folder_is_remote_where_a_part_of_it_is_on_a_network_or_in_a_process(folder: bytes, expected: bool) -> None:
    assert has_remote(TABLE, folder) is expected
    assert has_remote(b"", folder) is False
