/**
 * The script by which units are taken from limits in the store, under the clock of the store.
 *
 * Thread: store. Runs on Redis from 6.0 and on Valkey, in Lua 5.1; it uses nothing that Lua 5.4
 * lacks. A key that is refused is not written.
 *
 *     KEYS[1]  what is known of the state: run (of the server), epoch, until (recovering)
 *     KEYS[2…] one for each limit and caller
 *     ARGV     run, recovery time µs, 1: no state was seen, id of the gateway, then for each key
 *              what take-command.ts has. A gateway that may not ask for the run ('') makes no epoch
 *     reply    state (0 normal, 1 recovering), epoch, time µs, then REPLIES_PER_KEY for each key
 *
 * State of a key, as text: numbers are integers, written whole; above 2^53 to a unit or two.
 *
 *     last ; a ; b ; end:units,end:units,… ; gateway:stamp:end,… ; epoch:at:old:whole
 *
 *     sliding window   groups: a group counts until `end`, which is its latest use and a window
 *     token bucket     a: moment of b, b: debt. Groups: units that may still be used until `end`;
 *                      they count whole, and their debt begins to be paid at `end`
 *     costs            a bucket whose groups are reserves of requests in flight. One that ends
 *                      takes its unit out of its group, and its cost is debt; of one that is not
 *                      heard of until `end` the reserve is. What costs more is told until it is
 *                      confirmed: `gateway:stamp` is the last telling of a gateway, which is
 *                      nothing when it comes again, of the 64 gateways that told something last.
 *                      Debt is two buckets at most. `old`: so much of the debt is from before
 *                      `epoch`, as an answer of that time (`at`) has it; `whole`, 1: the time of
 *                      recovery was over at `last`; see recall
 *     fixed window     a: its begin, b: what is used
 *
 *     places           gateway:places:end:stamp,… in place of all: places count until `end`; a
 *                      claim that is older than the last one of its gateway is nothing
 *
 * Recall (costs, after the state was lost): a gateway says what an answer told it that was used,
 * and how many reserves it has in flight. Of all such answers the latest is right, but one that
 * comes after the time of recovery takes no debt away: it knows nothing of the reserves that were
 * given meanwhile. Reserves in flight are a group again, and no part of the old debt. Groups of an
 * earlier epoch are old debt: nobody can give anything back of them. A state that was whole is as
 * good as an answer at `last`.
 *
 * `last` is the latest time that the key has seen. When the clock has gone back, the state of the
 * key is moved back by as much: no time has passed for it.
 */

export const TAKE_SCRIPT = `
local meta = KEYS[1]
local run, recovery, gateway = ARGV[1], tonumber(ARGV[2]), ARGV[4]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local function text(n) return string.format('%.0f', n) end

local known = redis.call('HMGET', meta, 'run', 'epoch', 'until')
local epoch, fence = tonumber(known[2] or ''), tonumber(known[3] or '') or 0
local isother = run ~= '' and known[1] ~= run
if epoch ~= nil and isother and known[1] == '' then
  redis.call('HSET', meta, 'run', run)
elseif epoch == nil or isother then
  local born = epoch == nil and ARGV[3] == '1'
  epoch = math.max(now, (epoch or 0) + 1)
  fence = born and 0 or now + recovery
  redis.call('HSET', meta, 'run', run, 'epoch', text(epoch), 'until', text(fence))
end
if fence > now + recovery then fence = now + recovery end
local recovering = fence > now

local function load(key)
  local s = { last = now, a = 0, b = 0, ends = {}, units = {}, total = 0, dirty = false }
  s.told, s.kept = {}, {}
  s.epoch, s.at, s.old, s.whole, s.saved = 0, 0, 0, 0, 0
  local raw = redis.call('GET', key)
  if not raw then return s end
  local form = '^(%d+);(%d+);(%d+);([^;]*);?([^;]*);?(.*)$'
  local last, a, b, rest, told, old = string.match(raw, form)
  if not last then return s end
  local of, at, debt, whole = string.match(old, '^(%d+):(%d+):(%d+):(%d)$')
  if of then
    s.epoch, s.at, s.old, s.whole = tonumber(of), tonumber(at), tonumber(debt), tonumber(whole)
  end
  s.saved = tonumber(last)
  local back = math.max(0, tonumber(last) - now)
  s.a, s.b = tonumber(a), tonumber(b)
  if s.a > 0 then s.a = s.a - back end
  for e, u in string.gmatch(rest, '(%d+):(%d+)') do
    local n = tonumber(u)
    s.ends[#s.ends + 1] = tonumber(e) - back
    s.units[#s.units + 1] = n
    s.total = s.total + n
  end
  for id, stamp, e in string.gmatch(told, '([%w_-]+):(%d+):(%d+)') do
    local ends = tonumber(e) - back
    if ends > now then s.told[id], s.kept[id] = tonumber(stamp), ends end
  end
  return s
end

local function save(key, s, keep)
  local parts = {}
  for i = 1, #s.ends do
    if s.units[i] > 0 then parts[#parts + 1] = text(s.ends[i]) .. ':' .. text(s.units[i]) end
  end
  local raw = text(now) .. ';' .. text(s.a) .. ';' .. text(s.b) .. ';' .. table.concat(parts, ',')
  local told = {}
  for id, stamp in pairs(s.told) do
    told[#told + 1] = id .. ':' .. text(stamp) .. ':' .. text(s.kept[id])
    keep = math.max(keep, s.kept[id] - now)
  end
  if #told > 0 or s.epoch > 0 then raw = raw .. ';' .. table.concat(told, ',') end
  if s.epoch > 0 then
    local old = { text(s.epoch), text(s.at), text(s.old), recovering and '0' or '1' }
    raw = raw .. ';' .. table.concat(old, ':')
  end
  redis.call('SET', key, raw, 'PX', text(math.ceil(math.max(keep, 1000) / 1000) + 1000))
end

local function drop(s, upto)
  local ends, units = {}, {}
  for i = 1, #s.ends do
    if s.ends[i] > upto then
      ends[#ends + 1] = s.ends[i]
      units[#units + 1] = s.units[i]
    else
      s.total = s.total - s.units[i]
    end
  end
  s.ends, s.units = ends, units
end

local function add(s, at, units)
  for i = 1, #s.ends do
    if s.ends[i] == at then
      s.units[i] = s.units[i] + units
      s.total = s.total + units
      return
    end
  end
  local i = #s.ends + 1
  while i > 1 and s.ends[i - 1] > at do
    s.ends[i], s.units[i] = s.ends[i - 1], s.units[i - 1]
    i = i - 1
  end
  s.ends[i], s.units[i] = at, units
  s.total = s.total + units
end

local function giveback(s, stamp, units)
  for i = 1, #s.ends do
    if s.ends[i] == stamp then
      local n = math.min(units, s.units[i])
      s.units[i] = s.units[i] - n
      s.total = s.total - n
      s.dirty = s.dirty or n > 0
      return n
    end
  end
  return 0
end

local function share(room, limit, needed, wanted)
  if room < 1 or wanted < 1 then return 0 end
  local most = math.max(needed, math.floor(room / 2))
  return math.min(wanted, room, most)
end

local function sliding(key, p)
  local s = load(key)
  drop(s, now)
  if p.returned > 0 then giveback(s, p.stamp, p.returned) end
  local cell = 1
  if p.limit > 60 then cell = math.max(1, math.ceil(p.window / 62)) end
  local at = math.ceil((now + p.valid + p.window) / cell) * cell
  if p.declared > 0 then
    add(s, at, p.declared)
    s.dirty = true
  end
  local units = recovering and 0 or share(p.limit - s.total, p.limit, p.needed, p.wanted)
  if units > 0 then add(s, at, units) end
  if units > 0 or s.dirty then
    local last = s.ends[#s.ends] or now
    save(key, s, last - now)
  end
  local first = s.ends[1] or now
  local wait = (units == 0 and p.limit - s.total < 1) and math.max(1, first - now) or 0
  local reset = s.total > 0 and math.max(1, first - now) or 0
  return units, at, math.max(0, p.limit - s.total), wait, reset, p.valid
end

local function pay(s, p, upto)
  local ms = math.floor((upto - s.a) / 1000)
  if ms > 0 then
    s.b = s.b - ms * p.refill
    s.old = math.max(0, s.old - ms * p.refill)
    s.a = s.a + ms * 1000
  end
  if s.b <= 0 then
    s.b = 0
    s.old = 0
    s.a = upto
  end
end

local function renew(s, p)
  if s.epoch == epoch then return end
  local held = s.total * p.size
  s.b, s.old = s.b + held, s.old + held
  if s.whole == 1 then s.at, s.old = s.saved, s.b end
  s.ends, s.units, s.total, s.epoch = {}, {}, 0, epoch
end

local function recall(s, p)
  if p.stamp > s.at then
    local old = math.max(recovering and 0 or s.old, p.used - s.total * p.size)
    s.b = s.b - s.old + old
    s.at, s.old = p.stamp, old
  end
  local held = math.min(s.old, p.needed * p.size)
  s.b, s.old = s.b - held, s.old - held
  s.dirty = true
  return p.needed
end

local function isnews(s, p)
  if p.algorithm ~= 5 then return true end
  if (s.told[gateway] or 0) >= p.told then return false end
  s.told[gateway] = p.told
  s.kept[gateway] = now + math.ceil(3 * p.limit / p.refill) * 1000 + 60000000
  local count, first = 0, nil
  for id, ends in pairs(s.kept) do
    count = count + 1
    if id ~= gateway and (not first or ends < s.kept[first]) then first = id end
  end
  if count > 64 then s.told[first], s.kept[first] = nil, nil end
  return true
end

local function bucket(key, p)
  local s = load(key)
  local span, groups, size, most = p.valid, 4, p.size, p.limit
  local costs = p.algorithm >= 5
  if costs then span, groups, size, most = p.window, 62, p.token, 2 * p.limit end
  if s.a == 0 then s.a = now end
  local ended = p.returned > 0 and giveback(s, p.stamp, p.returned) or 0
  for i = 1, #s.ends do
    if s.ends[i] <= now then
      pay(s, p, math.max(s.ends[i], s.a))
      s.b = s.b + s.units[i] * p.size
    end
  end
  drop(s, now)
  pay(s, p, now)
  if costs then renew(s, p) end
  if ended > 0 then s.b = s.b + p.cost * p.token end
  if p.declared > 0 and isnews(s, p) then
    s.b = math.min(most, s.b + p.declared * size)
    s.old = math.min(s.old, s.b)
    s.dirty = true
  end
  local again = p.algorithm == 6 and recall(s, p) or 0
  local used = s.b + s.total * p.size
  local room = math.floor((p.limit - used) / p.size)
  local cell = math.max(1000, math.ceil(span / groups))
  local at = math.ceil((now + span) / cell) * cell
  local units = recovering and 0 or share(room, p.limit, p.needed, p.wanted)
  if p.algorithm == 6 then units = again end
  if units > 0 then
    add(s, at, units)
    used = used + units * p.size
  end
  if units > 0 or s.dirty then
    local last = s.ends[#s.ends] or now
    save(key, s, last - now + math.ceil(used / p.refill) * 1000)
  end
  local wait, reset = 0, 0
  local lack = used - (p.limit - p.size)
  local function whenpaid(units)
    if units <= s.b then return math.max(1, s.a + math.ceil(units / p.refill) * 1000 - now) end
    if costs then return 1000000 end
    return math.max(1, (s.ends[1] or now + 1000) - now)
  end
  if units == 0 and lack > 0 then wait = whenpaid(lack) end
  if used > 0 then
    local over = (p.limit - used) % p.token
    reset = whenpaid(over == 0 and p.token or p.token - over)
  end
  local left = math.max(0, math.floor((p.limit - used) / p.size))
  return units, at, left, wait, reset, p.valid, used
end

local function fixed(key, p)
  local s = load(key)
  if s.a == 0 or now >= s.a + p.window then s.a, s.b = now, 0 end
  local finish = s.a + p.window
  if p.returned > 0 and p.stamp == s.a then
    s.b = math.max(0, s.b - p.returned)
    s.dirty = true
  end
  if p.declared > 0 then
    s.b = math.min(p.limit, s.b + p.declared)
    s.dirty = true
  end
  local units = recovering and 0 or share(p.limit - s.b, p.limit, p.needed, p.wanted)
  s.b = s.b + units
  if units > 0 or s.dirty then save(key, s, finish - now) end
  local left = finish - now
  local wait = (units == 0 and p.limit - s.b < 1) and math.max(1, left) or 0
  local reset = s.b > 0 and left or 0
  return units, s.a, math.max(0, p.limit - s.b), wait, reset, math.min(p.valid, left)
end

local function places(key, p)
  local others, parts = 0, {}
  local raw = redis.call('GET', key) or ''
  for id, n, till, stamp in string.gmatch(raw, '([%w_-]+):(%d+):(%d+):(%d+)') do
    local ends = math.min(tonumber(till), now + p.valid)
    if id == gateway then
      if tonumber(stamp) >= p.stamp then return 0, p.stamp, 0, 0, 0, 0 end
    elseif ends > now then
      others = others + tonumber(n)
      parts[#parts + 1] = id .. ':' .. n .. ':' .. text(ends) .. ':' .. stamp
    end
  end
  local room = math.max(0, p.limit - others)
  local units = recovering and math.min(p.wanted, p.needed) or math.min(p.wanted, room)
  units = math.max(units, p.needed)
  local own = { gateway, text(units), text(now + p.valid), text(p.stamp) }
  parts[#parts + 1] = table.concat(own, ':')
  redis.call('SET', key, table.concat(parts, ','), 'PX', text(math.ceil(p.valid / 1000) + 1000))
  return units, p.stamp, math.max(0, room - units), 0, 0, p.valid
end

local reply = { recovering and 1 or 0, epoch, now }
for k = 2, #KEYS do
  local o = 4 + (k - 2) * 15
  local function arg(n) return tonumber(ARGV[o + n]) end
  local p = {
    algorithm = arg(1), needed = arg(2), wanted = arg(3), valid = arg(4), returned = arg(5),
    declared = arg(6), limit = arg(7), window = arg(8), size = arg(9), refill = arg(10),
    token = arg(11), stamp = arg(12), cost = arg(14), told = arg(15)
  }
  if arg(13) ~= epoch then p.returned = 0 end
  p.used = arg(13)
  local one = bucket
  if p.algorithm == 1 then one = sliding elseif p.algorithm == 3 then one = fixed end
  if p.algorithm == 4 then one = places end
  local units, stamp, left, wait, reset, valid, used = one(KEYS[k], p)
  local r = #reply
  reply[r + 1], reply[r + 2], reply[r + 3] = units, stamp, left
  reply[r + 4], reply[r + 5], reply[r + 6], reply[r + 7] = wait, reset, valid, used or 0
end
return reply
`;
