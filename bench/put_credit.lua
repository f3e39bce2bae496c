-- PUT /credit with a fresh Idempotency-Key each; counts what is not a 200.
local number, prefix = 0, ""
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

function init()
  prefix = os.getenv("BENCH_RUN") .. "-" .. id .. "-"
end

function request()
  number = number + 1
  return wrk.format("PUT", "/credit", {
    ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN"),
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = prefix .. number,
  }, os.getenv("BENCH_BODY"))
end
