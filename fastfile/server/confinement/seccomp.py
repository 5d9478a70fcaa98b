"""The system calls that a worker may not make: a filter in the kernel (seccomp(2)), in addition to Landlock.

Landlock confines opening, TCP and signals, but not metadata, other processes, UDP or Unix sockets. The filter denies
those calls with EPERM and allows all others, because Python and the loops use different calls in each version. It is a
classic BPF program over ``struct seccomp_data``, for x86_64 and aarch64.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from fastfile.records import NamedTuple

# The number of each call on x86_64 and on aarch64, -1 if there is none (asm/unistd_64.h, asm-generic/unistd.h).
DENIED = {
    # The metadata of files, and names: Landlock denies most of the latter, depending on its ABI.
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "file_setattr": (469, 469),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "link": (86, -1),
    "linkat": (265, 37),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "rename": (82, -1),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "rmdir": (84, -1),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    # Sockets: a worker needs only accepted ones.
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    # Programs and other processes.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, -1),
    "vfork": (58, -1),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "setpgid": (109, 154),
    # Memory and queues that processes share.
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # The system, in case the server runs as root.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "acct": (163, 89),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "vhangup": (153, 58),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
}
# Fail with ENOSYS, as in a kernel without them: glibc then calls clone(2), whose flags a filter can see, and libuv
# calls epoll_ctl(2); no filter sees calls through an io_uring.
UNKNOWN = {"clone3": (435, 435), "io_uring_setup": (425, 425)}
OWN_PID = -1  # stands for the filtered process
_CLONE_THREAD = 0x10000
_SOCK_STREAM, _SOCK_TYPES = 1, 0xF
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902  # input to a terminal, owners of SIGIO
_F_SETOWN, _F_SETOWN_EX = 8, 15


class Condition(NamedTuple):
    """A condition on an argument of a call: its bits of ``mask`` are one of ``values``, or none of them."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    is_one: bool = True


_OF_ITSELF = (Condition(0, (0,)),)
# These calls are denied unless all conditions hold.
RESTRICTED = {
    "clone": ((56, 220), (Condition(0, (_CLONE_THREAD,), _CLONE_THREAD),)),
    "socketpair": ((53, 199), (Condition(1, (_SOCK_STREAM,), _SOCK_TYPES),)),  # a datagram socket could send anywhere
    "kill": ((62, 129), (Condition(0, (OWN_PID,)),)),
    "tgkill": ((234, 131), (Condition(0, (OWN_PID,)),)),
    "prlimit64": ((302, 261), (Condition(0, (0, OWN_PID)),)),
    "setpriority": ((141, 140), (Condition(0, (0,)), Condition(1, (0,)))),
    "sched_setaffinity": ((203, 122), _OF_ITSELF),
    "sched_setscheduler": ((144, 119), _OF_ITSELF),
    "sched_setparam": ((142, 118), _OF_ITSELF),
    "sched_setattr": ((314, 274), _OF_ITSELF),
    "ioctl": ((16, 29), (Condition(1, (_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP), is_one=False),)),
    "fcntl": ((72, 25), (Condition(1, (_F_SETOWN, _F_SETOWN_EX), is_one=False),)),
}

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, and AUDIT_ARCH
_X32 = 0x40000000  # the first number of x86_64's other ABI, x32
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_TSYNC, _SPEC_ALLOW = (
    1,
    4,
)  # for all threads; without slower branches, which protect against code that workers do not run
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_LOAD, _AND, _RETURN, _JUMP, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x54, 0x06, 0x05, 0x15, 0x35
_PR_SET_NO_NEW_PRIVS = 38


def why_unavailable() -> str:
    """Return why this system has no filter; an empty string if it has."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in ARCHITECTURES or sys.maxsize < 1 << 32:
        return f"there is no system call filter for {sys.platform} on {machine}"
    try:
        import ctypes
    except ImportError:
        return "this Python has no ctypes"
    action = struct.pack("=I", _ERRNO)
    if ctypes.CDLL(None).syscall(_SECCOMP[machine], _GET_ACTION_AVAIL, 0, action) != 0:
        return "this system has no seccomp"
    return ""


def deny_calls() -> None:
    """Filter the system calls of this process from now on. Raises OSError if the kernel refuses."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    machine = os.uname().machine
    program = make_program(machine, os.getpid())
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _TSYNC | _SPEC_ALLOW, described) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def make_program(machine: str, pid: int) -> bytes:
    """Return the filter for a machine, instruction by instruction (struct sock_filter)."""
    column, architecture = ARCHITECTURES[machine]
    deny, allow = _make(_RETURN, _ERRNO | errno.EPERM), _make(_RETURN, _ALLOW)
    program = [_make(_LOAD, _ARCHITECTURE), _make(_IF_EQUAL, architecture, 1, 0), deny, _make(_LOAD, _NUMBER)]
    if machine == "x86_64":
        program += [_make(_IF_AT_LEAST, _X32, 0, 1), deny]
    for calls, outcome in ((DENIED, deny), (UNKNOWN, _make(_RETURN, _ERRNO | errno.ENOSYS))):
        for numbers in calls.values():
            if numbers[column] >= 0:
                program += [_make(_IF_EQUAL, numbers[column], 0, 1), outcome]
    for numbers, conditions in RESTRICTED.values():
        checks = [check for condition in conditions for check in _make_check(condition, pid, deny)]
        program += [_make(_IF_EQUAL, numbers[column], 0, len(checks) + 1), *checks, allow]
    return b"".join([*program, allow])


def _make_check(condition: Condition, pid: int, deny: bytes) -> list[bytes]:
    """Return instructions that deny the call if the condition does not hold, and continue after them if it does."""
    values = [pid if value == OWN_PID else value for value in condition.values]
    # The low half of an argument: both machines are little-endian, and all of these arguments have 32 bits.
    check = [_make(_LOAD, _ARGUMENTS + 8 * condition.argument), _make(_AND, condition.mask)]
    for place, value in enumerate(values):
        after = len(values) - place - 1
        check.append(_make(_IF_EQUAL, value, after + 1, 0))  # skips the instruction after the last comparison
    return [*check, deny] if condition.is_one else [*check, _make(_JUMP, 1), deny]


def _make(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
