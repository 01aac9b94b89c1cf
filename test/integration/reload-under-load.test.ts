/**
 * Reloads that nobody notices: two configurations in turn, five times a second, under load.
 *
 * RELOAD_SECONDS=30 (or 600) makes it longer.
 */
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ACCEPTOR_FORMS } from '../support/acceptor-forms.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';

const SECONDS = Number(process.env['RELOAD_SECONDS'] ?? 5);
const PERIOD_MS = 200;
const CONNECTIONS = 64;
const TOKEN = 'a-token-for-tests-of-the-admin-listener';
const LIMIT = 1000;
const MIB = 1024 * 1024;
/** More than this is a leak, less is what collectors leave lying about. */
const GROWTH_BYTES_MAX = 48 * MIB;

let upstream: FakeUpstream;
let second: FakeUpstream;
let gateway: GatewayProcess;
let isStreaming = true;

async function start(acceptors: number): Promise<void> {
  isStreaming = true;
  const script: Parameters<typeof FakeUpstream.start>[0] = (request, response) => {
    if (request.url === '/stream') sendLines(response);
    else if (request.url === '/limited') response.end('ok');
    else answerAfter(50)(request, response);
  };
  upstream = await FakeUpstream.start(script);
  second = await FakeUpstream.start(script);
  const env = { GATEWAY_ACCEPTORS: String(acceptors) };
  gateway = await GatewayProcess.start(configuration(0), env);
}

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  await second.close();
});

/** Numbered lines until the test says that it is enough. */
function sendLines(response: ServerResponse): void {
  let line = 0;
  const timer = setInterval(() => {
    response.write(`${line++}\n`);
    if (isStreaming) return;
    clearInterval(timer);
    response.end('end\n');
  }, 20);
  response.on('close', () => clearInterval(timer));
}

/** Even and odd ones differ in routes, targets, limits and filters; what clients use is in both. */
function configuration(turn: number): Record<string, unknown> {
  const isOdd = turn % 2 === 1;
  const targets = [{ url: upstream.url }, { url: second.url }];
  const name = isOdd ? 'odd' : 'even';
  return {
    admin: { port: 0, token: TOKEN },
    workers: 2,
    reload: { watch: false },
    logging: { accessLog: false },
    trustedProxies: isOdd ? ['10.0.0.0/8'] : [],
    upstreams: {
      [name]: { targets: [{ url: second.url }] },
      api: {
        targets: isOdd ? targets : targets.toReversed(),
        timeouts: { connect: isOdd ? '5s' : '4s' },
        retry: { attempts: 0 },
      },
    },
    routes: [
      { name, match: { path: `/${name}` }, upstream: name, rateLimit: { limit: 5, window: '1s' } },
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        timeout: isOdd ? '9s' : '8s',
        rateLimit: { limit: LIMIT, window: '24h', key: 'route' },
      },
      { name: 'all', match: { path: '/*' }, upstream: 'api' },
    ],
  };
}

describe('reloads five times a second', () => {
  it.each(ACCEPTOR_FORMS)(
    'cost no request, no connection, no token of a limit and no memory (acceptors: %i)',
    async (acceptors) => {
      await start(acceptors);
      const stream = await fetch(`${gateway.url}/stream`);
      const load = new Load(`${gateway.url}/x`, CONNECTIONS);
      const limited = new Load(`${gateway.url}/limited`, 4);
      const turns = Math.round((SECONDS * 1000) / PERIOD_MS);
      const resident: number[] = [];
      for (let turn = 1; turn <= turns; turn += 1) {
        const pause = new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
        gateway.rewrite(configuration(turn));
        const { status, body } = await gateway.post('/reload', TOKEN);
        expect(body.reasons ?? []).toEqual([]);
        expect(status).toBe(200);
        resident.push(gateway.residentBytes());
        await pause;
      }
      await eventually('the limit is used up', () => limited.count(200) >= LIMIT);
      const refused = limited.count(429) + 50;
      await eventually('more are refused', () => limited.count(429) >= refused);
      await Promise.all([load.stop(), limited.stop()]);
      isStreaming = false;
      const lines = (await stream.text()).trimEnd().split('\n');

      expect(load.others.map(({ status, body }) => `${status} ${body}`)).toEqual([]);
      expect(load.replies).toBeGreaterThan(turns);
      expect(load.connections).toBe(CONNECTIONS);
      expect(limited.count(200)).toBe(LIMIT);
      expect(limited.connections).toBe(4);
      expect(lines.pop()).toBe('end');
      expect(lines).toEqual(lines.map((_, line) => String(line)));
      expect(gateway.find('internal error')).toEqual([]);
      expect(gateway.find('worker died')).toEqual([]);
      expect(gateway.find('coordinator died')).toEqual([]);
      const warm = Math.max(...resident.slice(0, Math.ceil(turns / 2)));
      const late = Math.min(...resident.slice(-Math.ceil(turns / 4)));
      expect(late - warm).toBeLessThan(GROWTH_BYTES_MAX);
      await eventually('only the last version is left', async () => {
        const { configuration: now } = (await gateway.stats()) as {
          configuration: { epochs_in_use: number[] };
        };
        return now.epochs_in_use.length === 1;
      });
      if (SECONDS > 5) {
        const shown = resident.filter((_, at) => at % Math.ceil(turns / 20) === 0);
        process.stdout.write(
          `replies ${load.replies}, lines ${lines.length}, reloads ${turns}, MiB ` +
            `${shown.map((bytes) => Math.round(bytes / MIB)).join(' ')}\n`,
        );
      }
    },
    (SECONDS + 60) * 1000,
  );
});
