-- Moves one quota: a hash of theoretical arrival times (GCRA), one for each meter, and a set of calls in flight.
-- All times are microseconds of this server's clock; costs are microseconds of the meter's time.
--
-- KEYS 1  hash: tat:<meter>, pause, pause_reason, slow, and the same two with :<lane> behind them
--      2  sorted set: the calls in flight, by the time at which they are forgotten
-- ARGV 1  verb: book | settle | renew | pause | look
--      2  lane
--      3  number of meters; then for each: name, cost of a unit, burst
--
-- book    horizon, cap in flight (0: none), time to forget, number of requests; then for each: id, and its
--         units on each meter -> {now, wait for the next one (-1: none is left), slot, slot, ...}
-- settle  number of calls; then for each: id, and the units to add on each meter (negative: give back) -> now
-- renew   time to forget, number of calls; then their ids: they are still in flight -> now
-- pause   duration, reason, whether for this lane alone (1 or 0) -> now
-- look    -> {now, paused until, reason, calls in flight, TAT of each meter, ...}

local TTL_SECONDS = 172800
local SLOW_START = 10000000 -- half speed for so long after a pause

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local verb, lane = ARGV[1], ARGV[2]
local at = 3

local function take()
  at = at + 1
  return ARGV[at]
end

local function number()
  return tonumber(take())
end

local function text(microseconds)
  return string.format('%.0f', microseconds)
end

local meters = {}
for i = 1, tonumber(ARGV[3]) do
  local name = take()
  meters[i] = { field = 'tat:' .. name, unit = number(), burst = number() }
  meters[i].tat = tonumber(redis.call('HGET', KEYS[1], meters[i].field) or now)
end

local function keep()
  for _, meter in ipairs(meters) do
    redis.call('HSET', KEYS[1], meter.field, text(meter.tat))
  end
  redis.call('EXPIRE', KEYS[1], TTL_SECONDS)
end

local function paused()
  local all = tonumber(redis.call('HGET', KEYS[1], 'pause') or 0)
  local one = tonumber(redis.call('HGET', KEYS[1], 'pause:' .. lane) or 0)
  return all, one
end

-- A slot is the first time at which every meter has room. A request larger than a burst finds room in an
-- empty meter only, and leaves a debt.
local function slot_for(units, earliest)
  local slot = earliest
  for i, meter in ipairs(meters) do
    local cost = units[i] * meter.unit
    slot = math.max(slot, meter.tat + cost - math.max(meter.burst, cost))
  end
  return slot
end

local function book()
  local horizon, cap, forget, count = number(), number(), number(), number()
  local all, one = paused()
  local slow = tonumber(redis.call('HGET', KEYS[1], 'slow') or 0)
  for _, meter in ipairs(meters) do -- no burst at the reopening, even if nobody asked before it
    meter.tat = math.max(meter.tat, all + meter.burst)
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now))
  local room = cap > 0 and cap - redis.call('ZCARD', KEYS[2]) or count
  local reply, wait = {}, -1
  for _ = 1, count do
    local id, units = take(), {}
    for i = 1, #meters do
      units[i] = number()
    end
    local slot = slot_for(units, math.max(now, all, one))
    if slot - now > horizon or room < 1 then
      wait = math.max(slot - now, 0)
      break
    end
    room = room - 1
    for i, meter in ipairs(meters) do
      local factor = slot < slow and 2 or 1
      meter.tat = math.max(meter.tat, slot) + units[i] * meter.unit * factor
    end
    if cap > 0 then
      redis.call('ZADD', KEYS[2], text(slot + forget), id)
    end
    reply[#reply + 1] = text(slot)
  end
  keep()
  if cap > 0 then
    redis.call('EXPIRE', KEYS[2], TTL_SECONDS)
  end
  table.insert(reply, 1, text(wait))
  table.insert(reply, 1, text(now))
  return reply
end

local function settle()
  for _ = 1, number() do
    redis.call('ZREM', KEYS[2], take())
    for _, meter in ipairs(meters) do
      meter.tat = math.max(now, meter.tat + number() * meter.unit)
    end
  end
  keep()
  return text(now)
end

local function renew()
  local till = text(now + number())
  for _ = 1, number() do
    redis.call('ZADD', KEYS[2], 'XX', till, take())
  end
  return text(now)
end

local function pause()
  local duration, reason, for_lane = number(), take(), take() == '1'
  local suffix = for_lane and ':' .. lane or ''
  local till = now + duration
  if till > tonumber(redis.call('HGET', KEYS[1], 'pause' .. suffix) or 0) then
    redis.call('HSET', KEYS[1], 'pause' .. suffix, text(till), 'pause_reason' .. suffix, reason)
    if not for_lane then
      redis.call('HSET', KEYS[1], 'slow', text(till + SLOW_START))
    end
    redis.call('EXPIRE', KEYS[1], TTL_SECONDS)
  end
  return text(now)
end

local function look()
  local all, one = paused()
  local suffix = one > all and ':' .. lane or ''
  local reason = redis.call('HGET', KEYS[1], 'pause_reason' .. suffix) or ''
  local flying = redis.call('ZCOUNT', KEYS[2], '(' .. text(now), '+inf')
  local reply = { text(now), text(math.max(all, one)), reason, flying }
  for _, meter in ipairs(meters) do
    reply[#reply + 1] = text(meter.tat)
  end
  return reply
end

local verbs = { book = book, settle = settle, renew = renew, pause = pause, look = look }
return verbs[verb]()
