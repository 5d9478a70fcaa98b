-- One of $FILES files, at random: /many/FOLDER/0.js to 999.js.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "summary.lua")

local FILES = tonumber(os.getenv("FILES"))
local requests = {}

function init(args)
  for i = 0, FILES - 1 do
    requests[i + 1] = wrk.format(nil, "/many/" .. math.floor(i / 1000) .. "/" .. (i % 1000) .. ".js")
  end
end

function request()
  return requests[math.random(FILES)]
end
