-- What every run ends with: one line of JSON for load.py. The other scripts load this one.
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'SUMMARY {"duration_s": %.6f, "requests": %d, "bytes": %d, "connect": %d, "read": %d, "write": %d, ' ..
    '"status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.duration / 1e6, summary.requests, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
