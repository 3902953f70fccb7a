-- Whether the provider is known to accept calls: of a quota (suffix '') and of each of its lanes (:<lane>).
-- Until it is, a few probes may go. A good answer to one of them, or a while without a refusal, opens the rest.
-- Stands before limits.lua.
--
-- In the quota's hash: trusted (since when), probing (slot of the first probe), probes (the ids of all, each with
-- a newline behind it), all three with the suffix behind them.

local PROBES = 3
local PROBATION = 10000000 -- a refusal comes sooner

local trust = {}

function trust.gain(suffix, now)
  redis.call('HSET', KEYS[1], 'trusted' .. suffix, string.format('%.0f', now))
  redis.call('HDEL', KEYS[1], 'probing' .. suffix, 'probes' .. suffix)
end

function trust.doubt(suffix)
  redis.call('HDEL', KEYS[1], 'trusted' .. suffix, 'probing' .. suffix, 'probes' .. suffix)
end

function trust.doubt_all()
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field:find('^trusted') or field:find('^prob') then
      redis.call('HDEL', KEYS[1], field)
    end
  end
end

-- How many more calls may go.
function trust.left(suffix, now)
  local first = redis.call('HGET', KEYS[1], 'probing' .. suffix)
  if first and now >= first + PROBATION then
    trust.gain(suffix, now)
  end
  if redis.call('HEXISTS', KEYS[1], 'trusted' .. suffix) == 1 then
    return math.huge
  end
  local probes = redis.call('HGET', KEYS[1], 'probes' .. suffix) or ''
  local _, sent = probes:gsub('\n', '')
  return PROBES - sent
end

function trust.probe(suffix, id, slot)
  local probes = redis.call('HGET', KEYS[1], 'probes' .. suffix) or ''
  redis.call('HSETNX', KEYS[1], 'probing' .. suffix, slot)
  redis.call('HSET', KEYS[1], 'probes' .. suffix, probes .. id .. '\n')
end

-- What a call showed: 1, that it is accepted; -1, nothing, for it was never sent. Only probes count: an answer
-- to a call from before a refusal says nothing of what is accepted after it.
function trust.hear(suffix, id, showed, now)
  local probes = redis.call('HGET', KEYS[1], 'probes' .. suffix) or ''
  local from, to = ('\n' .. probes):find('\n' .. id .. '\n', 1, true)
  if from and showed > 0 then
    trust.gain(suffix, now)
  elseif from and showed < 0 then
    local others = probes:sub(1, from - 1) .. probes:sub(to)
    redis.call('HSET', KEYS[1], 'probes' .. suffix, others)
    if others == '' then
      trust.doubt(suffix)
    end
  end
end

