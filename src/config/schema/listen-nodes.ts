/**
 * The schema of listeners: the addresses that clients connect to.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  lengthNode,
  listNode,
  objectNode,
  oneOrListNode,
  sizeNode,
  stringNode,
  switchNode,
} from '../../schema/schema-node.js';
import { HOST_TEXT, REFERENCE_NAME_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';
import { TLS_NODE } from './tls-nodes.js';

export const PORT_RANGE = [0, 65_535] as const;

/** More listeners than anybody needs, and few enough that versions fit beside one another. */
const LISTENERS_MAX = 64;

/** The kernel's bound on the path of a Unix socket, without the zero at its end. */
const UNIX_PATH_BYTES_MAX = 107;

const SOCKET_PATH_TEXT = textShape('^/[!-~]*[!-.0-~]$', 'an absolute path of printable ASCII');
const SOCKET_NAME_TEXT = textShape(
  '^[!-9;-~]+$',
  'printable ASCII without blanks and colons, as FileDescriptorName= takes it',
);

const { listen } = DEFAULTS;

const REDIRECT_TO_HTTPS_NODE = objectNode('RedirectToHttpsConfig', 'Where https is.', {
  port: integerNode('The port of https.', [1, 65_535], { default: listen.redirectPort }),
});

const HTTP2_NODE = objectNode(
  'ListenHttp2Config',
  'What one connection of a client that speaks HTTP/2 may do. What is open keeps the bounds that ' +
    'held when it was opened.',
  {
    maxStreams: integerNode(
      'Requests at once. Further ones are refused (REFUSED_STREAM).',
      [1, 1000],
      {
        default: listen.http2.maxStreams,
      },
    ),
    unsentBytes: sizeNode(
      'What may wait in memory for the client to take it, of all replies of the connection. The ' +
        'more of it is used, the less of further replies is read from their targets ahead of the ' +
        'client; each may always have 32 KiB, and what one read brings.',
      ['64KiB', '1024MiB'],
      { default: listen.http2.unsentBytes },
    ),
  },
);

const ONE_NODE = objectNode(
  'ListenConfig',
  'An address that clients connect to, and how they are treated there.',
  {
    name: stringNode('Name of the listener, for routes (`match.listener`), logs and figures.', {
      'x-absent': 'its address, such as `127.0.0.1:8080`',
      ...REFERENCE_NAME_TEXT,
    }),
    host: stringNode(
      'Host name or IP address to bind. `0.0.0.0` or `::` binds every network interface.',
      { default: listen.host, ...HOST_TEXT },
    ),
    port: integerNode('TCP port. 0 lets the system choose a free one.', PORT_RANGE, {
      default: listen.port,
    }),
    unixSocket: stringNode(
      'Path of a Unix domain socket, in place of `host` and `port`. Its clients count as ' +
        '127.0.0.1. A file of that name that no process listens on is replaced.',
      { 'x-absent': 'TCP', maxLength: UNIX_PATH_BYTES_MAX, ...SOCKET_PATH_TEXT },
    ),
    systemdSocket: stringNode(
      'Name of a socket that systemd has bound (`FileDescriptorName=`, or the name of the unit), ' +
        'in place of `host` and `port`.',
      { 'x-absent': 'the gateway binds its address itself', maxLength: 255, ...SOCKET_NAME_TEXT },
    ),
    reusePort: booleanNode(
      'Whether several gateways of one user may listen on the same port (SO_REUSEPORT). The ' +
        'kernel spreads new connections over them. Each has limits, breakers and an admin port ' +
        'of its own. Without it, a second gateway on the same port does not start.',
      listen.reusePort,
    ),
    engine: stringNode(
      'What speaks HTTP with clients: `uws` is uWebSockets.js, `wire` the HTTP/1.1 of the ' +
        "gateway on Node's sockets. `auto` chooses when the gateway starts, and the log says why.",
      { default: listen.engine, enum: ['auto', 'uws', 'wire'] },
    ),
    protocols: listNode(
      'Protocols that clients may speak: `http1` is HTTP/1.1 and HTTP/1.0, `h2` HTTP/2 on TLS, ' +
        'which the client chooses in the handshake (ALPN), and `h2c` HTTP/2 without TLS for ' +
        'clients that begin with it (prior knowledge). `Upgrade: h2c` is ignored.',
      stringNode('', { enum: ['http1', 'h2', 'h2c'] }),
      {
        'x-absent': '`[http1, h2]` with TLS, `[http1]` without',
        minItems: 1,
        uniqueItems: true,
      },
    ),
    http2: HTTP2_NODE,
    tls: TLS_NODE,
    proxyProtocol: stringNode(
      'Every connection must begin with a PROXY protocol header of this version, from an address ' +
        'in `trustedProxies`; any other connection is closed. The header names the client. `any` ' +
        'takes both versions.',
      { 'x-absent': 'no such header is read', enum: ['v1', 'v2', 'any'] },
    ),
    trustedProxies: listNode(
      'Addresses and CIDR ranges of proxies in front of this listener. What they say about the ' +
        'client is believed.',
      lengthNode(1, 64),
      { 'x-absent': 'the `trustedProxies` of the gateway', maxItems: 1024, uniqueItems: true },
    ),
    redirectToHttps: switchNode(
      'Whether every request is answered with 308 and its URL with https. Challenges of ACME ' +
        '(`/.well-known/acme-challenge/`) are not.',
      REDIRECT_TO_HTTPS_NODE,
      { default: listen.redirectToHttps },
    ),
    idleTimeout: durationNode(
      'How long a connection may stay open between two requests. Choose more than a proxy in ' +
        'front waits. The engine `uws` closes after 10 s, whatever is said here.',
      ['1s', '1h'],
      { default: listen.idleTimeout },
    ),
    headTimeout: durationNode(
      'How long the head of a request may take, and a header of the PROXY protocol.',
      ['100ms', '5m'],
      { default: listen.headTimeout },
    ),
    bodyIdleTimeout: durationNode(
      'How long the body of a request may pause while the gateway reads it. A call of gRPC may ' +
        'be silent for longer where calls are expected.',
      ['1s', '1h'],
      { default: listen.bodyIdleTimeout },
    ),
    halfCloseTimeout: durationNode(
      'How long a client that has closed its own side, and sends nothing more, may wait while ' +
        'nothing is sent to it. One that is gone looks the same: a probe finds it out in 3 s in ' +
        'HTTP/1.1. `0s` takes such a client as gone at once.',
      ['0s', '1h'],
      { default: listen.halfCloseTimeout },
    ),
    handshakeTimeout: durationNode('How long a TLS handshake may take.', ['100ms', '5m'], {
      default: listen.handshakeTimeout,
    }),
    underscores: stringNode(
      'What becomes of request fields with `_` in their names. To CGI and WSGI `X_User` is the ' +
        'same as `X-User`: with `forward` a client could write fields that only the gateway may. ' +
        '`drop` removes the field, and a metric and the log tell; `refuse` means 400.',
      { default: listen.underscores, enum: ['forward', 'drop', 'refuse'] },
    ),
    rawCharacters: stringNode(
      'What becomes of characters of a path or query that no URI has, and that some clients send ' +
        'as they are: `" < > \\ ^ { | }`, backticks and bytes beyond ASCII. `encode` writes them ' +
        'with percent signs before anything looks at them; `refuse` means 400. The engine `uws` ' +
        'has no choice: it refuses them in paths, and takes most of them in queries as they are.',
      { default: listen.rawCharacters, enum: ['encode', 'refuse'] },
    ),
    keepAliveRequests: integerNode(
      'Requests of one connection, after which it closes.',
      [1, 1_000_000_000],
      { 'x-absent': 'no bound' },
    ),
    maxConnections: integerNode(
      'Connections of this listener at once. Further ones are closed at once.',
      [1, 1_000_000],
      { 'x-absent': '`limits.connections` alone' },
    ),
    chunkedRequests: stringNode(
      '`refuse`: 411 for chunked requests that have a body, where the engine is `uws`. Its ' +
        'parser misreads chunk extensions, so that the target would get other bytes than the ' +
        'client has sent. `allow`: they are taken; choose it where no client sends chunk ' +
        'extensions.',
      { default: listen.chunkedRequests, enum: ['refuse', 'allow'] },
    ),
  },
);

export const LISTEN_NODE = oneOrListNode(
  'The address that clients connect to, or a list of such addresses. A reload can add, remove ' +
    'and change them. `GATEWAY_HOST` and `GATEWAY_PORT` stand above the first one.',
  ONE_NODE,
  { minItems: 1, maxItems: LISTENERS_MAX },
);
