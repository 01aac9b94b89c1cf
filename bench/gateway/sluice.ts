/**
 * Sluice as a stranger runs it: `node dist/src/main.js run -c FILE`, one worker, no access log.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort, projectRoot } from '../support/environment.js';
import type { ThreadCpu } from '../support/process-cpu.js';
import {
  type Contender,
  type ContenderSetup,
  HOST,
  probe,
  type RunningContender,
  waitHealthy,
} from './contender.js';
import {
  GUARDED_PREFIX,
  OPEN_PREFIX,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TOKEN_SECRET,
} from './scenarios.js';

const ENTRY = join(projectRoot(), 'dist', 'src', 'main.js');

/** The part of GET /stats that names the threads, by the ids the kernel gives them. */
interface ThreadIds {
  readonly acceptor: number;
  readonly workers: readonly number[];
  readonly coordinator: number;
}

export const sluice: Contender = {
  name: 'sluice',

  missing() {
    return existsSync(ENTRY) ? '' : 'dist/src/main.js is not there: npm run build makes it';
  },

  async start(setup: ContenderSetup): Promise<RunningContender> {
    const port = await findFreePort();
    const adminPort = await findFreePort();
    const configPath = join(setup.folder, 'sluice.yaml');
    writeFileSync(configPath, renderConfig(port, adminPort, setup.originPort));
    const child = setup.children.start(
      'sluice',
      [process.execPath, ENTRY, 'run', '-c', configPath],
      { environment: { GATEWAY_WORKERS: '1', NODE_ENV: 'production' } },
    );
    await waitHealthy(child, port, `${OPEN_PREFIX}/small`);
    const ids = await readThreadIds(adminPort);
    return {
      child,
      port,
      version: `this tree on Node ${process.version}`,
      nameThread: (thread) => nameThread(thread, ids),
    };
  },
};

function nameThread(thread: ThreadCpu, ids: ThreadIds | undefined): string {
  if (ids === undefined) return thread.tid === thread.pid ? 'acceptor' : 'others';
  if (thread.tid === ids.acceptor) return 'acceptor';
  if (ids.workers.includes(thread.tid)) return 'worker';
  if (thread.tid === ids.coordinator) return 'coordinator';
  return 'V8 and libuv';
}

async function readThreadIds(adminPort: number): Promise<ThreadIds | undefined> {
  try {
    const { body } = await probe({ port: adminPort, path: '/stats' });
    return (JSON.parse(body) as { threads?: ThreadIds }).threads;
  } catch {
    return undefined; // The total is right all the same; only its parts have no names.
  }
}

/** Plain routes have no feature on; the guarded one has all that the full scenario is about. */
function renderConfig(port: number, adminPort: number, originPort: number): string {
  const target = `http://${HOST}:${originPort}`;
  return `listen: { host: ${HOST}, port: ${port} }
admin: { host: ${HOST}, port: ${adminPort} }
workers: 1
logging: { level: warn, accessLog: false }
authenticators:
  clients:
    type: jwt
    algorithms: [HS256]
    secret: ${JSON.stringify(TOKEN_SECRET)}
    issuer: ${TOKEN_ISSUER}
    audience: ${TOKEN_AUDIENCE}
upstreams:
  plain:
    targets: [{ url: "${target}" }]
  guarded:
    targets: [{ url: "${target}" }]
    circuitBreaker: { failureThreshold: 5, openFor: 10s, halfOpenRequests: 1 }
routes:
  - name: open
    match: { path: ${OPEN_PREFIX}/*, methods: [GET, POST] }
    upstream: plain
  - name: guarded
    match: { path: ${GUARDED_PREFIX}/*, methods: [GET] }
    upstream: guarded
    authenticate: [clients]
    rateLimit: { limit: 1000000, window: 1s, algorithm: tokenBucket, key: consumer }
`;
}
