-- Single events appended over HTTP by wrk, each with an id of its own. The token is in TOKEN, the seed of the ids in SEED.
local seed = tonumber(os.getenv("SEED") or "1")
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  math.randomseed(seed * 1000 + number)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
  count, refused = 0, 0
end

function request()
  count = count + 1
  local id = string.format("%08x-%04x-4%03x-8%03x-%04x%08x", math.random(0, 2 ^ 31 - 1), math.random(0, 65535), math.random(0, 4095),
    math.random(0, 4095), number, count)
  local body = string.format('{"id":"%s","stream":"load/%d","type":"acme.Evaluated","data":{"auc":0.9134,"dataset":"readmission-2026","n":%d}}',
    id, math.random(0, 499), count)
  return wrk.format(nil, "/v1/workspaces/dev01/events", nil, body)
end

function response(status)
  if status ~= 201 then refused = refused + 1 end
end

function done(summary, latency)
  io.write(string.format('RESULT {"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"errors":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
