/**
 * The scripts around the stream of events that gateways tell each other through the store.
 *
 * Thread: store. Stream and members have one hash tag, so that they lie in one slot of a cluster.
 */

/**
 * Says that a gateway listens. With ARGV[4] it leaves a mark in the stream, from which it reads on.
 *
 *     KEYS[1]  the stream    KEYS[2]  members, each with the time µs when it was last there
 *     ARGV     name of the gateway, for how long a member is known µs, length of the stream,
 *              1: leave a mark
 *     reply    id of the mark, or ''
 */
export const JOIN_SCRIPT = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', tonumber(ARGV[2]) / 100))
if ARGV[4] ~= '1' then return '' end
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 't', '', 'f', ARGV[1])
`;

/**
 * Which process serves the stream; '' where it may not be asked. As a script it runs at the server
 * that has the stream, also in a Redis Cluster.
 *
 *     KEYS   the stream
 *     reply  INFO of the server
 */
export const RUN_SCRIPT = `
local info = redis.pcall('INFO', 'server')
if type(info) ~= 'string' then return '' end
return info
`;
