import { Agent, get } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { IS_LONG } from '../support/long-form.js';
import { HEALTH_PATH, OriginProcess, type OriginReply } from '../support/origin-process.js';

const REQUESTS_PER_SECOND = IS_LONG ? 500 : 300;
/** Over how many the target is away, in the middle of all of them. */
const SECONDS_AWAY = IS_LONG ? 10 : 3;
const SECONDS = IS_LONG ? 30 : 6;
const TICK_MS = 10;
/** The gateway lets a connection rest for ten seconds. */
const REST_MS = 4000;
const CHECK_INTERVAL = '500ms';

interface Outcome {
  readonly status: number;
  /** Process that replied; 0: none. */
  readonly pid: number;
  readonly checksBefore: number;
  /** What came instead of a reply. */
  readonly error?: string;
}

/** A steady stream of requests that waits for no reply. */
class SteadyLoad {
  readonly outcomes: Outcome[] = [];
  sent = 0;
  /**
   * Connections that rested are closed from this side, before the gateway does: one that it closes
   * while a request is on its way to it would be a failure of nobody.
   */
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: REST_MS });
  private readonly startedMs = performance.now();
  private readonly timer = setInterval(() => this.catchUp(), TICK_MS);

  constructor(private readonly url: string) {}

  private catchUp(): void {
    const due = ((performance.now() - this.startedMs) * REQUESTS_PER_SECOND) / 1000;
    while (this.sent < due) this.send();
  }

  private send(): void {
    this.sent += 1;
    const request = get(this.url, { agent: this.agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('close', () => this.outcomes.push(outcomeOf(response.statusCode ?? 0, body)));
    });
    request.on('error', (error) => {
      const what = `${error}${request.reusedSocket ? ' on a connection that was kept' : ''}`;
      this.outcomes.push({ status: 0, pid: 0, checksBefore: -1, error: what });
    });
  }

  count(pid: number): number {
    return this.outcomes.filter((outcome) => outcome.pid === pid).length;
  }

  /** Resolves when every request has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await eventually('every request has ended', () => this.outcomes.length === this.sent);
    this.agent.destroy();
  }
}

function outcomeOf(status: number, body: string): Outcome {
  try {
    const { pid, checksBefore } = JSON.parse(body) as OriginReply;
    return { status, pid, checksBefore };
  } catch {
    const error = `not a whole reply: ${body}`;
    return { status: status === 200 ? 0 : status, pid: 0, checksBefore: -1, error };
  }
}

let origins: OriginProcess[] = [];
let gateway: GatewayProcess | undefined;
let load: SteadyLoad | undefined;

afterEach(async () => {
  await load?.stop();
  await gateway?.stop();
  await Promise.all(origins.map((origin) => origin.kill()));
});

it('hides from clients that a target was killed, and uses it again soon after it is back', async () => {
  origins = await Promise.all([
    OriginProcess.start(),
    OriginProcess.start(),
    OriginProcess.start(),
  ]);
  const [victim] = origins;
  if (victim === undefined) throw new Error('no origin');
  gateway = await GatewayProcess.start({
    workers: 2,
    logging: { accessLog: false },
    upstreams: {
      api: {
        targets: origins.map(({ url }) => ({ url })),
        healthCheck: {
          type: 'http',
          path: HEALTH_PATH,
          interval: CHECK_INTERVAL,
          healthyThreshold: 1,
          unhealthyThreshold: 1,
        },
      },
    },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  });
  const running = new SteadyLoad(gateway.url);
  load = running;
  await eventually('every target has its part', () =>
    origins.every((origin) => running.count(origin.pid) > 100),
  );

  await victim.kill();
  await eventually('its breaker is open, or a check has seen it down', async () => {
    const rows = (await gateway?.stats())?.['targets'] as { target: string; state: string }[];
    const row = rows.find(({ target }) => target === `127.0.0.1:${victim.port}`);
    return ['open', 'unhealthy'].includes(row?.state ?? '');
  });
  const endedAtKill = running.outcomes.length;
  await eventually(
    'the others have done its part for a while',
    () => running.outcomes.length > endedAtKill + SECONDS_AWAY * REQUESTS_PER_SECOND,
  );

  // The breaker alone, if it is open, would let nothing through for a minute.
  const reborn = await OriginProcess.start(victim.port);
  origins.push(reborn);
  await eventually('it has its part again', () => running.count(reborn.pid) > 100);
  const isEnough = () => running.sent >= SECONDS * REQUESTS_PER_SECOND;
  await eventually('all requests are sent', isEnough, 60_000);
  await running.stop();

  const failed = running.outcomes.filter((outcome) => outcome.status !== 200);
  expect(failed.length, JSON.stringify(failed.slice(0, 20))).toBeLessThan(
    running.outcomes.length / 1000,
  );
  // Two checks at most had passed before it got its first request: none of the turns that were
  // given while it was away keep it waiting.
  const first = running.outcomes.find((outcome) => outcome.pid === reborn.pid);
  expect(first?.checksBefore).toBeLessThanOrEqual(2);
  const targets = (await gateway.stats())['targets'] as { in_flight: number }[];
  expect(targets.map((target) => target.in_flight)).toEqual([0, 0, 0]);
  if (!IS_LONG) return;
  console.log('requests:', running.outcomes.length, 'failed:', failed.length);
  console.log('checks before its first request:', first?.checksBefore);
});
