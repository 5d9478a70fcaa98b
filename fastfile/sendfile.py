"""The system calls of the request path: the facade over the compiled kernel and its Python twin."""

from __future__ import annotations

from fastfile import WHY_PURE

if WHY_PURE:
    from fastfile import _sendfile_py as _kernel
else:
    from fastfile import _sendfile as _kernel  # type: ignore[no-redef]

WOULD_BLOCK = _kernel.WOULD_BLOCK
Epoll = _kernel.Epoll
READ_AHEAD_STEP = _kernel.READ_AHEAD_STEP
monotonic_s = _kernel.monotonic_s
wall_s = _kernel.wall_s
accept = _kernel.accept
close = _kernel.close
shutdown_read = _kernel.shutdown_read
shutdown_write = _kernel.shutdown_write
reset = _kernel.reset
copy_of = _kernel.copy_of
slice_of = _kernel.slice_of
part_of = _kernel.part_of
concatenate = _kernel.concatenate
put_frame = _kernel.put_frame
put_data_frame = _kernel.put_data_frame
make_data_frames = _kernel.make_data_frames
read_data_frames = _kernel.read_data_frames
recv_into = _kernel.recv_into
send_parts = _kernel.send_parts
send_response = _kernel.send_response
send_file = _kernel.send_file
copy_file = _kernel.copy_file
read_cached = _kernel.read_cached
is_cached = _kernel.is_cached
read_ahead = _kernel.read_ahead
open_beneath = _kernel.open_beneath
read_beneath = _kernel.read_beneath
make_signature = _kernel.make_signature
read_signature = _kernel.read_signature
has_signature = _kernel.has_signature
has_signature_in = _kernel.has_signature_in
