-- What wrk counted, as one line of JSON, the last that it prints.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"completed": %d, "refused": %d, "microseconds": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, errors.status, summary.duration,
    errors.connect, errors.read, errors.write, errors.timeout))
end
