/**
 * The schema of how the targets of an upstream are spoken with.
 *
 * Thread: any (pure). A part of upstream-nodes.ts.
 */
import { durationNode, integerNode, objectNode, stringNode } from '../../schema/schema-node.js';
import { DEFAULTS } from './defaults.js';

const { protocol, http2 } = DEFAULTS.upstream;

export const UPSTREAM_PROTOCOL_NODE = stringNode(
  '`http1`: HTTP/1.1. `h2`: HTTP/2 over TLS, for targets with `https`. `h2c`: HTTP/2 without ' +
    'TLS, for targets with `http`, which must take it without being asked first. `auto`: over ' +
    'TLS what the target chooses (ALPN), without TLS HTTP/1.1.',
  {
    'x-typescript': 'UpstreamProtocol',
    default: protocol,
    enum: ['http1', 'h2', 'h2c', 'auto'],
  },
);

const PING_NODE = objectNode(
  'UpstreamPingConfig',
  'Asks a target that is silent while requests are open whether it is still there. Servers of ' +
    'gRPC close connections that are asked more often than every five minutes unless they are ' +
    'told otherwise.',
  {
    interval: durationNode('How long nothing may come before a PING is sent.', ['1s', '24h']),
    timeout: durationNode(
      'How long its answer may take. Then the connection is closed.',
      ['100ms', '5m'],
      { default: http2.ping.timeout },
    ),
  },
  'interval',
);

/** Only for upstreams whose targets may speak HTTP/2. */
export const UPSTREAM_HTTP2_NODE = objectNode(
  'UpstreamHttp2Config',
  'How connections over HTTP/2 are used. Each worker has its own.',
  {
    maxStreams: integerNode(
      'Requests at once over one connection, where the target allows as many.',
      [1, 1000],
      { default: http2.maxStreams },
    ),
    maxConnections: integerNode(
      'Connections of one worker to one target. Another one is opened when those that are there ' +
        'are full; requests beyond that wait for one that ends.',
      [1, 1000],
      { default: http2.maxConnections },
    ),
    ping: PING_NODE,
  },
);
