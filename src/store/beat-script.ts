/**
 * The script by which a gateway says that it is there, and hears how many there are.
 *
 * Thread: store. It writes: a server that takes no writes is found out by it.
 *
 *     KEYS[1]  gateways, each with the time of its last beat
 *     ARGV     id of the gateway, time µs for which it is kept, silence µs, token, its life µs
 *     reply    gateways that are kept, time µs, silent ones among the others, 1: it is heard
 *
 * A gateway that was not heard for `silence` may admit by its own part of a limit. A beat counts
 * only where its token is young: the time that this script last told to that gateway. So neither a
 * beat that lay in a queue is taken for a sign of life, nor one whose gateway hears no answers. A
 * gateway that has not yet told what it admitted sends 0 as its token. When the clock has gone
 * back, a gateway that was heard later than now is silent until it is heard again.
 */

export const BEAT_SCRIPT = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local life, silence = tonumber(ARGV[2]), tonumber(ARGV[3])
local token = tonumber(ARGV[4])
local function text(n) return string.format('%.0f', n) end
local heard = token > 0 and token <= now and now - token <= tonumber(ARGV[5])
redis.call('ZADD', KEYS[1], text(heard and now or now - silence), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - life))
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf')) do
  redis.call('ZADD', KEYS[1], text(now - silence), id)
end
redis.call('PEXPIRE', KEYS[1], text(math.ceil(life / 1000)))
local known = redis.call('ZCARD', KEYS[1])
local alive = redis.call('ZCOUNT', KEYS[1], text(now - silence + 1), text(now))
return { known, now, known - alive - (heard and 0 or 1), heard and 1 or 0 }
`;
