-- What wrk sends, and prints at its end as a line of JSON. Arguments: FILE [RATE]: the body, and requests a second.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long seconds, microseconds; } Moment;
  int gettimeofday(Moment *now, void *zone);
]])

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.body = file:read("*a")
  file:close()
  local rate = tonumber(arguments[2])
  if not rate then return end
  local now = ffi.new("Moment")
  local due -- when the next request is, in milliseconds: all connections take theirs from one line of moments
  function delay() -- which wrk asks before each request
    ffi.C.gettimeofday(now, nil)
    local at = tonumber(now.seconds) * 1000 + tonumber(now.microseconds) / 1000
    due = (due or at) + 1000 / rate
    return math.max(0, due - at)
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  local line = '{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n'
  local p50, p99 = latency:percentile(50) / 1000, latency:percentile(99) / 1000
  io.write(line:format(summary.requests, summary.duration / 1e6, failed, p50, p99))
end
