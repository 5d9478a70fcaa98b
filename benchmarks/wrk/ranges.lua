-- One of a thousand ranges of 1 KiB, at random, of the file that wrk was given, which has 100 MiB.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "summary.lua")

local RANGES = 1000
local APART = 100 * 1024
local requests = {}

function init(args)
  for i = 1, RANGES do
    local first = (i - 1) * APART
    wrk.headers["Range"] = "bytes=" .. first .. "-" .. first + 1023
    requests[i] = wrk.format()
  end
end

function request()
  return requests[math.random(RANGES)]
end
