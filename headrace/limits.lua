-- Moves one quota: a hash of theoretical arrival times (GCRA), one for each meter, and a set of calls in flight.
-- All times are microseconds of this server's clock; costs are microseconds of the meter's time.
--
-- KEYS 1  hash: incarnation (when it was made), lift, tat:<meter>, last (the latest slot given), slow, pause,
--         pause_reason; the last two also with :<lane> behind them; and what trust.lua keeps
--      2  sorted set: the calls in flight, by the time at which they are forgotten
-- ARGV 1  verb: book | settle | renew | pause | look
--      2  lane
--      3  incarnation that the caller knows, or nothing
--      4  horizon: how far ahead slots are given
--      5  number of meters; then for each: name, cost of a unit, burst, TAT that the caller knows (0: none)
--
-- book    cap in flight (0: none), time to forget, incarnation that knows of the caller's calls in flight, or
--         nothing; number of requests; then for each: id, and its units on each meter -> {incarnation, TAT of each meter, now, wait for the next one (-1: none is left), slot, ...}
-- settle  number of calls; then for each: id, lane, what it showed (1: such calls are accepted, 0: nothing,
--         -1: it was never sent), and the units to add on each meter (negative: give back)
--         -> {incarnation, TAT of each meter, now}
-- renew   time to forget, number of calls; then their ids: they are still in flight -> now
-- pause   duration, reason, whether for this lane alone, whether the account is refused (1 or 0) -> now
-- look    -> {now, paused until, reason, calls in flight, TAT of each meter, ...}

local TTL_SECONDS = 172800
local SLOW_START = 10000000 -- half speed for so long after a pause
local CAUTION = 250000 -- what a start from nothing gives up besides its burst
local START = 750000 -- and after how long

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local at = 0

local function take()
  at = at + 1
  return ARGV[at]
end

local function number()
  return tonumber(take())
end

local function numbers(count)
  local read = {}
  for i = 1, count do
    read[i] = number()
  end
  return read
end

local function joined(...)
  local all = {}
  for _, list in ipairs({ ... }) do
    for _, item in ipairs(list) do
      all[#all + 1] = item
    end
  end
  return all
end

local function text(microseconds)
  return string.format('%.0f', microseconds)
end

local function stored(field)
  return redis.call('HGET', KEYS[1], field)
end

local function time_of(field)
  return tonumber(stored(field) or 0)
end

local verb, lane, known, horizon = take(), take(), take(), number()
local incarnation = stored('incarnation')

local meters = {}
for i = 1, number() do
  local name = take()
  meters[i] = { field = 'tat:' .. name, unit = number(), burst = number(), known = number() }
  meters[i].tat = tonumber(stored(meters[i].field) or now)
end

local function forgotten()
  return known ~= '' and known ~= incarnation
end

local function short_burst(meter)
  return math.min(meter.burst, horizon) -- that of a day outlasts what may be forgotten
end

local function pay_lift()
  for _, meter in ipairs(meters) do
    meter.tat = meter.tat + short_burst(meter) + CAUTION
  end
  redis.call('HDEL', KEYS[1], 'lift')
end

-- Others may hold slots up to the horizon that this hash has forgotten. A caller that knew it lifts every TAT
-- beyond them. When nobody knows, it may be a first start: then each meter pays its burst back a moment later.
local function recall()
  if not incarnation then
    incarnation = text(now)
    redis.call('HSET', KEYS[1], 'incarnation', incarnation)
    if known == '' then
      redis.call('HSET', KEYS[1], 'lift', text(now + START))
    end
  end
  if forgotten() then
    for _, meter in ipairs(meters) do
      local least = incarnation + horizon + short_burst(meter)
      local most = now + 60 * meter.burst -- a clock may have stepped back
      meter.tat = math.max(meter.tat, least, math.min(meter.known, most))
    end
    redis.call('HDEL', KEYS[1], 'lift')
  elseif stored('lift') and now > time_of('lift') then
    pay_lift()
  end
end

local function tats()
  local all = {}
  for i, meter in ipairs(meters) do
    all[i] = text(meter.tat)
  end
  return all
end

local function kept()
  for _, meter in ipairs(meters) do
    redis.call('HSET', KEYS[1], meter.field, text(meter.tat))
  end
  redis.call('EXPIRE', KEYS[1], TTL_SECONDS)
  return joined({ incarnation }, tats())
end

local function paused()
  return time_of('pause'), time_of('pause:' .. lane)
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

local function room_for(cap, informed, suffixes)
  local room = math.huge
  if cap > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now))
    local must_renew = informed ~= '' and informed ~= incarnation
    room = must_renew and 0 or cap - redis.call('ZCARD', KEYS[2])
  end
  local open = {}
  for _, suffix in ipairs(suffixes) do
    local left = trust.left(suffix, now)
    room = math.min(room, left)
    if left < math.huge then
      open[#open + 1] = suffix
    end
  end
  return room, open
end

-- The slot; the first one behind the lift pays it.
local function slot_and_lift(units, earliest)
  local slot = slot_for(units, earliest)
  if stored('lift') and slot > time_of('lift') then
    pay_lift()
    slot = slot_for(units, earliest)
  end
  return slot
end

local function charge(slot, units, slow)
  local factor = slot < slow and 2 or 1
  for i, meter in ipairs(meters) do
    meter.tat = math.max(meter.tat, slot) + units[i] * meter.unit * factor
  end
end

local function note(slot)
  if slot > time_of('last') then
    redis.call('HSET', KEYS[1], 'last', text(slot))
  end
end

local function book()
  local cap, forget, informed, count = number(), number(), take(), number()
  recall()
  local all, one = paused()
  local slow = time_of('slow')
  for _, meter in ipairs(meters) do -- no burst at the reopening, even if nobody asked before it
    meter.tat = math.max(meter.tat, all + meter.burst)
  end
  local room, untrusted = room_for(cap, informed, { '', ':' .. lane })
  local slots, wait = {}, -1
  for _ = 1, count do
    local id, units = take(), numbers(#meters)
    local earliest = math.max(now, all, one)
    local slot = slot_and_lift(units, earliest)
    if slot - now > horizon or room < 1 then
      wait = math.max(slot - now, 0)
      break
    end
    room = room - 1
    charge(slot, units, slow)
    note(slot)
    if cap > 0 then
      redis.call('ZADD', KEYS[2], text(slot + forget), id)
      redis.call('EXPIRE', KEYS[2], TTL_SECONDS)
    end
    for _, suffix in ipairs(untrusted) do
      trust.probe(suffix, id, text(slot))
    end
    slots[#slots + 1] = text(slot)
  end
  return joined(kept(), { text(now), text(wait) }, slots)
end

-- What was never sent frees no time before the latest slot given: that has passed unused, or others hold it.
local function give(meter, units, was_sent)
  local given = meter.tat + units * meter.unit
  local least = was_sent and now or math.min(meter.tat, time_of('last'))
  meter.tat = math.max(now, given, least)
end

local function settle()
  recall()
  for _ = 1, number() do
    local id, of_lane, showed = take(), take(), number()
    redis.call('ZREM', KEYS[2], id)
    if showed ~= 0 then
      trust.hear('', id, showed, now)
      trust.hear(':' .. of_lane, id, showed, now)
    end
    for _, meter in ipairs(meters) do
      give(meter, number(), showed >= 0)
    end
  end
  return joined(kept(), { text(now) })
end

local function renew()
  local till = text(now + number())
  for _ = 1, number() do
    if forgotten() then
      redis.call('ZADD', KEYS[2], till, take())
    else
      redis.call('ZADD', KEYS[2], 'XX', till, take())
    end
  end
  redis.call('EXPIRE', KEYS[2], TTL_SECONDS)
  return text(now)
end

local function pause()
  local duration, reason, for_lane, refused = number(), take(), take() == '1', take() == '1'
  local suffix = for_lane and ':' .. lane or ''
  local till = now + duration
  if till > time_of('pause' .. suffix) then
    redis.call('HSET', KEYS[1], 'pause' .. suffix, text(till), 'pause_reason' .. suffix, reason)
    if not for_lane then
      redis.call('HSET', KEYS[1], 'slow', text(till + SLOW_START))
    end
    redis.call('EXPIRE', KEYS[1], TTL_SECONDS)
  end
  if refused and not for_lane then
    trust.doubt_all()
  elseif refused then
    trust.doubt(suffix)
    if not stored('trusted') then -- it says nothing of the other lanes
      trust.doubt('')
    end
  end
  return text(now)
end

local function look()
  local all, one = paused()
  local suffix = one > all and ':' .. lane or ''
  local reason = stored('pause_reason' .. suffix) or ''
  local flying = redis.call('ZCOUNT', KEYS[2], '(' .. text(now), '+inf')
  return joined({ text(now), text(math.max(all, one)), reason, flying }, tats())
end

local verbs = { book = book, settle = settle, renew = renew, pause = pause, look = look }
return verbs[verb]()
