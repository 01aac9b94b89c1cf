/**
 * Sluice as a stranger runs it: `node dist/src/main.js run -c FILE`.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Certificate,
  makeCertificate,
  missingCertificateTool,
} from '../support/certificate.js';
import { findFreePort, projectRoot } from '../support/environment.js';
import {
  GUARDED_PREFIX,
  LIMITED_PREFIX,
  MIRROR_PREFIX,
  OPEN_PREFIX,
  PACKED_PREFIX,
  PLUGIN_PREFIX,
  SOCKET_PATH,
  STORED_PREFIX,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TOKEN_SECRET,
} from './bench-requests.js';
import {
  type Ability,
  type Contender,
  type ContenderSetup,
  HOST,
  type LaunchPlan,
  type NameThread,
  probe,
} from './contender.js';
import { GRPC_SERVICE } from './grpc-client.js';

export interface SluiceOptions {
  readonly name: string;
  readonly workers: number;
  /** Absent: what Sluice chooses by itself. */
  readonly acceptors?: number;
  /** Put before the command. */
  readonly prefix?: readonly string[];
  /** GATEWAY_ENGINE; absent: what Sluice chooses by itself. */
  readonly engine?: EngineName;
  /** It speaks HTTP/2 with the origin. */
  readonly hasHttp2Origin?: boolean;
  /** Its listener speaks TLS. */
  readonly isTls?: boolean;
  /** The only scenarios that it takes part in; absent: all. */
  readonly scenarios?: readonly string[];
  /** The folder that holds `dist/src/main.js`; absent: this one. */
  readonly root?: string;
  readonly version?: string;
}

export const ENGINE_NAMES = ['uws', 'wire'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** The part of GET /stats that names the threads, by the ids the kernel gives them. */
interface ThreadIds {
  /** One, or those of acceptor threads. */
  readonly acceptor: number;
  readonly workers: readonly number[];
  readonly coordinator: number;
  /** All acceptors; none before they had threads. */
  readonly acceptors: readonly number[];
}

const ABILITIES: readonly Ability[] = [
  'full-pipeline',
  'limit',
  'cache',
  'grpc',
  'compression',
  'plugin',
  'mirror',
  'websocket',
];

export function createSluice(options: SluiceOptions): Contender {
  const {
    name,
    workers,
    acceptors,
    prefix = [],
    engine,
    isTls = false,
    hasHttp2Origin = false,
    scenarios,
  } = options;
  const entry = join(options.root ?? projectRoot(), 'dist', 'src', 'main.js');
  return {
    name,
    abilities: ABILITIES,
    ...(scenarios === undefined ? {} : { scenarios }),

    missing() {
      if (!existsSync(entry)) return 'dist/src/main.js is missing: npm run build makes it';
      return isTls ? missingCertificateTool() : '';
    },

    version() {
      const threads = `${workers} worker${workers === 1 ? '' : 's'}`;
      return `${options.version ?? 'this tree'} on Node ${process.version}, ${threads}${
        engine === undefined ? '' : `, engine ${engine}`
      }`;
    },

    async plan(setup: ContenderSetup): Promise<LaunchPlan> {
      const port = await findFreePort();
      const adminPort = await findFreePort();
      const configPath = join(setup.folder, 'sluice.yaml');
      const tls = isTls ? tlsNode(makeCertificate(setup.folder)) : '';
      writeFileSync(configPath, renderConfig({ port, adminPort, tls }, setup, hasHttp2Origin));
      return {
        port,
        grpcPort: port,
        isTls,
        command: [...prefix, process.execPath, entry, 'run', '-c', configPath],
        environment: {
          GATEWAY_WORKERS: String(workers),
          NODE_ENV: 'production',
          ...(acceptors === undefined ? {} : { GATEWAY_ACCEPTORS: String(acceptors) }),
          ...(engine === undefined ? {} : { GATEWAY_ENGINE: engine }),
        },
        // The access log is written as in production, but nobody's disk is measured with it.
        ...(setup.variant === 'full' ? { outputPath: '/dev/null' } : {}),
        metrics: { port: adminPort, path: '/metrics' },
        nameThreads: () => nameThreads(adminPort),
      };
    },
  };
}

async function nameThreads(adminPort: number): Promise<NameThread> {
  const ids = await readThreadIds(adminPort);
  // Without the ids the total is right all the same; only its parts have no names.
  if (ids === undefined) {
    return (thread) => (thread.tid === thread.pid ? 'acceptor' : 'others');
  }
  return (thread) => {
    if (thread.tid === ids.acceptor) return 'acceptor';
    if (ids.acceptors.includes(thread.tid)) return 'acceptor';
    if (ids.workers.includes(thread.tid)) return ids.workers.length > 1 ? 'workers' : 'worker';
    if (thread.tid === ids.coordinator) return 'coordinator';
    return 'V8 and libuv';
  };
}

interface Stats {
  readonly threads?: Omit<ThreadIds, 'acceptors'>;
  readonly acceptors?: readonly { readonly thread: number }[];
}

async function readThreadIds(adminPort: number): Promise<ThreadIds | undefined> {
  try {
    const { body } = await probe({ port: adminPort, path: '/stats' });
    const { threads, acceptors = [] } = JSON.parse(body) as Stats;
    return threads === undefined
      ? undefined
      : { ...threads, acceptors: acceptors.map(({ thread }) => thread) };
  } catch {
    return undefined;
  }
}

interface ListenFields {
  readonly port: number;
  readonly adminPort: number;
  /** More fields of `listen`; empty: no TLS. */
  readonly tls: string;
}

function tlsNode({ certPath, keyPath }: Certificate): string {
  return `, tls: { certificates: [{ cert: ${certPath}, key: ${keyPath} }] }`;
}

const STORED_ROUTE = `  - name: stored
    match: { path: ${STORED_PREFIX}/*, methods: [GET] }
    upstream: plain
    cache: true
`;

const PACKED_ROUTE = `  - name: packed
    match: { path: ${PACKED_PREFIX}/*, methods: [GET] }
    upstream: plain
    compression: { encodings: [gzip], level: { gzip: 5 } }
`;

const PLUGIN_ROUTE = `  - name: marked
    match: { path: ${PLUGIN_PREFIX}/*, methods: [GET] }
    upstream: plain
    plugins: [mark]
`;

const MIRROR_ROUTE = `  - name: copied
    match: { path: ${MIRROR_PREFIX}/*, methods: [GET] }
    upstream: plain
    mirror: { upstream: second }
`;

const SOCKET_ROUTE = `  - name: sockets
    match: { path: ${SOCKET_PATH} }
    upstream: sockets
`;

const PLUGIN_CODE = `export default {
  name: 'mark',
  setup: () => ({
    onRequest(request) {
      const { path } = request;
      request.setHeader('x-part', path.slice(1, path.indexOf('/', 1)));
    },
    onReply(reply) {
      reply.setHeader('x-marked', 'yes');
    },
  }),
};
`;

/** What a variant adds to the three lists of the configuration. */
interface Additions {
  readonly plugins: string;
  readonly upstream: string;
  readonly route: string;
}

const NOTHING: Additions = { plugins: '', upstream: '', route: '' };

function additionsOf({ variant, folder, ...ports }: ContenderSetup): Additions {
  switch (variant) {
    case 'stored':
      return { ...NOTHING, route: STORED_ROUTE };
    case 'packed':
      return { ...NOTHING, route: PACKED_ROUTE };
    case 'grpc':
      return { ...NOTHING, upstream: callsUpstream(ports.originGrpcPort), route: CALLS };
    case 'plugin': {
      const file = join(folder, 'mark.mjs');
      writeFileSync(file, PLUGIN_CODE);
      return {
        ...NOTHING,
        plugins: `plugins: [{ name: mark, file: ${file} }]\n`,
        route: PLUGIN_ROUTE,
      };
    }
    case 'mirror': {
      const target = `http://${HOST}:${ports.originPorts[1]}`;
      const upstream = `  second: { targets: [{ url: "${target}" }] }\n`;
      return { ...NOTHING, upstream, route: MIRROR_ROUTE };
    }
    case 'sockets': {
      const target = `http://${HOST}:${ports.originSocketPort}`;
      const upstream = `  sockets: { targets: [{ url: "${target}" }] }\n`;
      return { ...NOTHING, upstream, route: SOCKET_ROUTE };
    }
    default:
      return NOTHING;
  }
}

const CALLS = `  - name: calls
    match: { grpc: { service: ${GRPC_SERVICE} } }
    upstream: calls
`;

function callsUpstream(originPort: number): string {
  return `  calls:
    targets: [{ url: "http://${HOST}:${originPort}" }]
    protocol: h2c
`;
}

/** Open routes have no feature on; the guarded one has all that the full scenario is about. */
function renderConfig(
  listen: ListenFields,
  setup: ContenderSetup,
  hasHttp2Origin: boolean,
): string {
  const { port, adminPort, tls } = listen;
  const hasCalls = setup.variant === 'grpc';
  const { plugins, upstream, route } = additionsOf(setup);
  const [target, second] = setup.originPorts.map((one) => `http://${HOST}:${one}`);
  return `listen: { host: ${HOST}, port: ${port}${tls}${hasCalls ? ', protocols: [http1, h2c]' : ''} }
admin: { host: ${HOST}, port: ${adminPort} }
logging: { level: warn, accessLog: ${setup.variant === 'full'} }
limits: { bodyBytes: 1024MiB, inFlight: 4096, connections: 12000, connectionsPerAddress: 12000 }
${plugins}authenticators:
  clients:
    type: jwt
    algorithms: [HS256]
    secret: ${JSON.stringify(TOKEN_SECRET)}
    issuer: ${TOKEN_ISSUER}
    audience: ${TOKEN_AUDIENCE}
upstreams:
  plain:
    targets: [{ url: "${hasHttp2Origin ? `http://${HOST}:${setup.originHttp2Port}` : target}" }]
${hasHttp2Origin ? '    protocol: h2c\n' : ''}  guarded:
    targets: [{ url: "${target}" }, { url: "${second}" }]
    loadBalancing: { policy: roundRobin }
    circuitBreaker: { failureThreshold: 5, openFor: 10s, halfOpenRequests: 1 }
${upstream}routes:
  - name: open
    match: { path: ${OPEN_PREFIX}/*, methods: [GET, POST] }
    upstream: plain
  - name: guarded
    match: { path: ${GUARDED_PREFIX}/*, methods: [GET] }
    upstream: guarded
    authenticate: [clients]
    rateLimit: { limit: 1000000, window: 1s, algorithm: tokenBucket, key: consumer }
  - name: limited
    match: { path: ${LIMITED_PREFIX}/*, methods: [GET] }
    upstream: plain
    rateLimit: { limit: 1, window: 1h, key: clientIp }
${route}`;
}
