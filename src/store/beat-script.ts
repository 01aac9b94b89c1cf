/**
 * The script by which a gateway says that it is there, and hears how many there are.
 *
 * Thread: store. It writes: a server that takes no writes is found out by it.
 *
 *     KEYS[1]  gateways, each with the time of its last beat
 *     ARGV     id of the gateway, time µs for which a beat counts
 *     reply    number of gateways, time µs
 */

export const BEAT_SCRIPT = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local old = string.format('%.0f', now - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', old)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(tonumber(ARGV[2]) / 1000) * 12))
return { redis.call('ZCARD', KEYS[1]), now }
`;
