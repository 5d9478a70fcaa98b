-- Sixteen requests in one segment, then their sixteen responses.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "summary.lua")

local segment

function init(args)
  segment = string.rep(wrk.format(), 16)
end

function request()
  return segment
end
