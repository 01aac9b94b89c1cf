/**
 * Threads that die again and again, while long replies wait for slow clients. Forbidden: shared
 * memory that grows with every death, and a byte of one reply in another.
 */
import { Agent, get, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

const DEATHS = process.env['SLUICE_TEST_LONG'] === '1' ? 40 : 5;
const WORKERS = 2;
/** Many blocks of a lane, and more than the sockets on the way hold. */
const BODY_BYTES = 6 * 2 ** 20;
/** Nothing else that a gateway shares is as large as a lane. */
const LANE_BYTES_MIN = 12 * 2 ** 20;
const LANE_BYTES_MAX = 20 * 2 ** 20;

const { RestartIntensity } = (await import(
  new URL('../../dist/src/supervisor/restart-intensity.js', import.meta.url).href
)) as typeof import('../../src/supervisor/restart-intensity.js');

const { AcceptorRests } = (await import(
  new URL('../../dist/src/supervisor/acceptor-rests.js', import.meta.url).href
)) as typeof import('../../src/supervisor/acceptor-rests.js');

let upstream: FakeUpstream;
let gateway: InProcessGateway;
let lanesMade: number;

afterEach(async () => {
  await gateway.stop();
  await upstream.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Each reply has its own text, from its first byte to its last. */
function bodyOf(path: string): Buffer {
  return Buffer.alloc(BODY_BYTES, `${path} `);
}

async function start(acceptors: number): Promise<void> {
  lanesMade = 0;
  const made = new Proxy(SharedArrayBuffer, {
    construct: (target, [bytes]: [number]) => {
      if (bytes > LANE_BYTES_MIN && bytes < LANE_BYTES_MAX) lanesMade += 1;
      return new target(bytes);
    },
  });
  vi.stubGlobal('SharedArrayBuffer', made);
  // However many die.
  vi.spyOn(RestartIntensity.prototype, 'mayRestart').mockReturnValue(true);
  vi.spyOn(AcceptorRests.prototype, 'onDeath').mockReturnValue(0);
  upstream = await FakeUpstream.start((request, response: ServerResponse) => {
    response.end(bodyOf(request.url ?? ''));
  });
  const cache = { memory: '4MiB' };
  const config = aConfig([upstream.url], { top: { workers: WORKERS, acceptors, cache } });
  gateway = await InProcessGateway.start(config, { isChaosAllowed: true });
}

/** What /stats says of a thread may be a moment old: there may be none now. */
async function inject(fault: string): Promise<void> {
  const url = `http://127.0.0.1:${gateway.gateway.adminAddress.port}/chaos/${fault}`;
  await eventually(`${fault} is ordered`, async () => {
    const reply = await fetch(url, { method: 'POST' });
    await reply.arrayBuffer();
    return reply.status === 202;
  });
}

interface DeathRow {
  readonly deaths: number;
  readonly served?: boolean;
  readonly serving?: boolean;
}

async function dies(kind: 'worker' | 'acceptor', index: number, fault: string): Promise<void> {
  const row = async (): Promise<DeathRow | undefined> =>
    (await gateway.stats<Record<string, readonly DeathRow[]>>())[`${kind}s`]?.[index];
  const before = (await row())?.deaths ?? 0;
  await inject(`${kind}/${index}/${fault}`);
  await eventually(`${kind} ${index} is back`, async () => {
    const now = await row();
    return now !== undefined && now.deaths > before && (now.served ?? now.serving) === true;
  });
}

/** Clients that leave what they are sent alone for a while, and then read it. */
class SlowReaders {
  whole = 0;
  cut = 0;
  readonly mixed: string[] = [];
  private isStopping = false;
  private readonly agent = new Agent();
  private readonly resumes = new Set<() => void>();
  private readonly clients: Promise<void>[];

  constructor(count: number) {
    this.clients = Array.from({ length: count }, (_, client) => this.run(client));
  }

  get waiting(): number {
    return this.resumes.size;
  }

  /** They read on. */
  resume(): void {
    for (const resume of this.resumes) resume();
    this.resumes.clear();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    const ended = Promise.all(this.clients);
    let isOver = false;
    void ended.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      this.resume();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.agent.destroy();
  }

  private async run(client: number): Promise<void> {
    for (let turn = 0; !this.isStopping; turn += 1) await this.read(`/${client}-${turn}`);
  }

  private read(path: string): Promise<void> {
    return new Promise((resolve) => {
      const onCut = (): void => {
        this.cut += 1;
        resolve();
      };
      const sent = get(gateway.url + path, { agent: this.agent }, (reply) => {
        const pieces: Buffer[] = [];
        reply.on('error', onCut);
        reply.on('end', () => {
          if (reply.statusCode === 200) this.judge(path, Buffer.concat(pieces));
          else this.cut += 1;
          resolve();
        });
        this.resumes.add(() => reply.on('data', (piece: Buffer) => pieces.push(piece)));
      });
      sent.on('error', onCut);
    });
  }

  private judge(path: string, body: Buffer): void {
    this.whole += 1;
    if (!body.equals(bodyOf(path))) this.mixed.push(path);
  }
}

const CLIENTS = 4;

describe('memory of lanes', () => {
  it('is used again when workers die, and mixes no replies', async () => {
    await start(1);
    const readers = new SlowReaders(CLIENTS);
    const faults = ['crash', 'exit', 'crash', 'exit', 'crash', 'exit', 'hang'];
    for (let deaths = 0; deaths < DEATHS; deaths += 1) {
      await eventually('replies wait', () => readers.waiting > CLIENTS / 2);
      await dies('worker', deaths % WORKERS, faults[deaths % faults.length] ?? 'crash');
      readers.resume();
    }
    const { whole } = readers;
    await eventually('replies arrive', () => {
      readers.resume();
      return readers.whole > whole;
    });
    await readers.stop();
    expect(readers.mixed).toEqual([]);
    expect(readers.cut).toBeGreaterThan(0);
    // One for each lane, and one that waits for those who had it to let go.
    expect(lanesMade).toBeLessThanOrEqual(2 * WORKERS);
    await gateway.nothingInFlight();
  });

  it.runIf(byEngine({ wire: true, uws: false }))(
    'is used again when acceptors die, and mixes no replies',
    async () => {
      await start(2);
      const readers = new SlowReaders(CLIENTS);
      for (let deaths = 0; deaths < DEATHS; deaths += 1) {
        await eventually('replies wait', () => readers.waiting > CLIENTS / 2);
        await dies('acceptor', deaths % 2, deaths % 3 === 0 ? 'exit' : 'crash');
        if (deaths % 4 === 3) await dies('worker', deaths % WORKERS, 'crash');
        readers.resume();
      }
      await readers.stop();
      expect(readers.mixed).toEqual([]);
      expect(readers.whole).toBeGreaterThan(0);
      expect(lanesMade).toBeLessThanOrEqual(2 * WORKERS);
      await gateway.nothingInFlight();
    },
  );
});
