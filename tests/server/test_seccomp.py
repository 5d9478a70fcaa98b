"""The system call filter as a program: each machine's, interpreted as the kernel does it."""

from __future__ import annotations

import errno
import struct

import pytest

from fastfile.server.confinement.seccomp import ARCHITECTURES, DENIED, RESTRICTED, UNKNOWN, make_program

PID = 4711
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
MACHINES = sorted(ARCHITECTURES)


def run(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Interpret classic BPF over struct seccomp_data."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    accumulator = place = 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, place * 8)
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            place += value
        elif code == 0x15:
            place += if_true if accumulator == value else if_false
        elif code == 0x35:
            place += if_true if accumulator >= value else if_false
        else:
            assert code == 0x06
            return int(value)


# Calls with their arguments, on both machines, and the result.
CASES = [
    ("kill", (PID, 15), ALLOW),
    ("kill", (PID + 1, 15), EPERM),
    ("kill", (0xFFFFFFFF, 15), EPERM),
    ("kill", (1 << 32 | PID, 15), ALLOW),  # a pid is an int: the kernel does not see the upper half either
    ("tgkill", (PID, 5000, 6), ALLOW),
    ("tgkill", (1, 1, 6), EPERM),
    ("clone", (0x3D0F00,), ALLOW),
    ("clone", (17,), EPERM),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (1, 1 | 0o2000000), ALLOW),
    ("socketpair", (1, 2), EPERM),
    ("socketpair", (1, 5), EPERM),
    ("prlimit64", (0, 7), ALLOW),
    ("prlimit64", (PID, 7), ALLOW),
    ("prlimit64", (1, 7), EPERM),
    ("setpriority", (0, 0, 5), ALLOW),
    ("setpriority", (0, 1, 5), EPERM),
    ("setpriority", (2, 0, 5), EPERM),
    ("sched_setaffinity", (0,), ALLOW),
    ("sched_setaffinity", (1,), EPERM),
    ("ioctl", (1, 0x5421), ALLOW),  # FIONBIO
    ("ioctl", (1, 0x5412), EPERM),
    ("ioctl", (1, 0x541C), EPERM),
    ("ioctl", (1, 0x8902), EPERM),
    ("fcntl", (1, 4), ALLOW),
    ("fcntl", (1, 8), EPERM),
    ("fcntl", (1, 15), EPERM),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "outcome"), CASES)
def test_a_call_with_arguments_is(machine: str, name: str, arguments: tuple[int, ...], outcome: int) -> None:
    column, architecture = ARCHITECTURES[machine]
    assert run(make_program(machine, PID), architecture, RESTRICTED[name][0][column], *arguments) == outcome


@pytest.mark.parametrize("machine", MACHINES)
def test_each_call_of_the_table_is_denied_and_every_other_allowed(machine: str) -> None:
    column, architecture = ARCHITECTURES[machine]
    program = make_program(machine, PID)
    denied = {numbers[column] for numbers in DENIED.values()}
    unknown = {numbers[column] for numbers in UNKNOWN.values()}
    restricted = {numbers[column] for numbers, _ in RESTRICTED.values()}
    for number in set(range(600)) - restricted:
        wanted = EPERM if number in denied else ENOSYS if number in unknown else ALLOW
        assert (number, run(program, architecture, number)) == (number, wanted)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_are_denied(machine: str) -> None:
    program = make_program(machine, PID)
    assert run(program, 0x40000003, 0) == EPERM  # that of i386
    assert run(program, 0, 0) == EPERM


def test_calls_of_the_x32_interface_are_denied() -> None:
    assert run(make_program("x86_64", PID), ARCHITECTURES["x86_64"][1], 0x40000000) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_within_the_kernels_limit_and_no_number_is_there_twice(machine: str) -> None:
    column, _ = ARCHITECTURES[machine]
    assert len(make_program(machine, PID)) // 8 <= 4096
    tables = [*DENIED.values(), *UNKNOWN.values(), *(numbers for numbers, _ in RESTRICTED.values())]
    numbers = [each[column] for each in tables if each[column] >= 0]
    assert len(numbers) == len(set(numbers))
