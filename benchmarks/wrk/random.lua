-- One of a thousand files, at random: /many/0.js to /many/999.js, under the path that wrk was given.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "summary.lua")

local FILES = 1000
local requests = {}

function init(args)
  local folder = wrk.path:match("^(.*/)")
  for i = 1, FILES do
    requests[i] = wrk.format(nil, folder .. (i - 1) .. ".js")
  end
end

function request()
  return requests[math.random(FILES)]
end
