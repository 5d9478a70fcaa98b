-- A rate instead of all that goes: each connection waits before each request. PACE_MS: the mean wait, in milliseconds.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "summary.lua")

local mean = tonumber(os.getenv("PACE_MS"))

function delay()
  return math.random(0, math.floor(2 * mean))
end
