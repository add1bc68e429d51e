-- Requests for wrk, each with another body and agent. Variables of the environment: BENCH_TARGETS, a file of lines
-- "path key"; BENCH_READS, the number of GETs in 100 requests; BENCH_BODIES, a file of pairs of lines that enclose a number;
-- BENCH_PORTS; BENCH_FIRST, the first of those numbers.
local threads = 0
local reads = tonumber(os.getenv("BENCH_READS"))

-- Threads alternate between the ports, so that two processes get the same load.
function setup(thread)
  local ports = {}
  for port in os.getenv("BENCH_PORTS"):gmatch("%d+") do
    ports[#ports + 1] = port
  end
  thread:set("place", threads)
  thread.addr = wrk.lookup("127.0.0.1", ports[threads % #ports + 1])[1]
  threads = threads + 1
end

local gets, heads, befores, afters = {}, {}, {}, {}
local number = 0

function init()
  for line in io.lines(os.getenv("BENCH_TARGETS")) do
    local path, key = line:match("^(%S+) (%S+)$")
    local rest = path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " .. key .. "\r\n"
    if reads > 0 then
      gets[#gets + 1] = "GET " .. rest .. "\r\n"
    end
    if reads < 100 then
      heads[#heads + 1] = "PATCH " .. rest .. "Content-Type: application/json\r\nContent-Length: "
    end
  end
  local bodies = io.lines(os.getenv("BENCH_BODIES"))
  for before in bodies do
    befores[#befores + 1] = before
    afters[#afters + 1] = bodies()
  end
  number = tonumber(os.getenv("BENCH_FIRST")) + place * 1e8
  math.randomseed(number)
end

function request()
  if math.random(100) <= reads then
    return gets[math.random(#gets)]
  end
  number = number + 1
  local form = number % #befores + 1
  local body = befores[form] .. string.format("%.0f", number) .. afters[form]
  return heads[math.random(#heads)] .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"failures":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
