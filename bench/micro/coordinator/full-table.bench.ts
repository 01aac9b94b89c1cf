/**
 * Question: how long does one decision take at worst, when the table is full and a flood of keys
 * comes that nobody has seen before?
 *
 * Each decision is timed by itself, so the clock's own cost is in every figure; p99 is over single
 * decisions. `used` keys have some of their limit left and one of them has to go; of `depleted`
 * ones none may go, and the new key is refused. The alternative is the same table half full.
 */
import type { AskView, ReplyFields } from '../../../src/channel/coordinator/coordinator-records.js';
import {
  AskView as Ask,
  addLimit,
  createAskFields,
  ReplyFields as Reply,
  writeAsk,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import { RateLimits } from '../../../src/coordinator/rate-limits.js';
import { compileConfig } from '../../../test/support/compile-config.js';
import { type Bench, type CaseFigures, fold, summarise } from '../../support/bench-harness.js';

interface Fill {
  readonly name: string;
  readonly role: CaseFigures['role'];
  readonly limit: number;
  /** Keys that are there before, as a share of the rows. */
  readonly share: number;
}

const FILLS: readonly Fill[] = [
  { name: 'full of used keys', role: 'subject', limit: 10, share: 1.5 },
  { name: 'full of depleted keys', role: 'subject', limit: 1, share: 1.5 },
  { name: 'half full', role: 'alternative', limit: 10, share: 0.5 },
];

export const bench: Bench = {
  question: 'how long does a decision take at worst when new keys flood a full table?',

  async run(context) {
    const rows = context.parameter('tracked clients', 1024, 1_000_000);
    const asks = context.parameter('new keys', 256, 200_000);
    return FILLS.map((fill) => flood(fill, rows, asks));
  },
};

function flood({ name, role, limit, share }: Fill, rows: number, asks: number): CaseFigures {
  const desk = new LimitDesk(rows, limit);
  let key = 0;
  for (; key < rows * share; key += 1) desk.decide(key, 1);
  for (let warm = 0; warm < asks; warm += 1) desk.decide(++key, 2);
  const nsPerOperation: number[] = [];
  let checksum = 0;
  for (let ask = 0; ask < asks; ask += 1) {
    key += 1;
    const startNs = process.hrtime.bigint();
    const isAdmitted = desk.decide(key, 3);
    nsPerOperation.push(Number(process.hrtime.bigint() - startNs));
    checksum = fold(checksum, isAdmitted ? 1 : 2);
  }
  nsPerOperation.sort((one, other) => one - other);
  const figures = summarise({ name: `table: ${name}`, role, nsPerOperation, checksum });
  const worst = (nsPerOperation.at(-1) ?? 0) / 1000;
  return { ...figures, name: `${figures.name} (worst ${worst.toFixed(0)} µs)` };
}

/** The limits of one route, without rings. */
class LimitDesk {
  private readonly limits: RateLimits;
  private readonly words = new Int32Array(32);
  private readonly fields = createAskFields();
  private readonly ask: AskView = new Ask();
  private readonly reply: ReplyFields = new Reply();
  private readonly holder = { lane: 0, generation: 1, askId: 0 };

  constructor(trackedClients: number, limit: number) {
    const config = compileConfig({
      workers: 1,
      limits: { trackedClients },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
      routes: [
        {
          name: 'all',
          match: { path: '/*' },
          upstream: 'api',
          rateLimit: { limit, window: '1h' },
        },
      ],
    });
    const memory = allocateCoordinatorMemory(config);
    this.limits = new RateLimits(
      openConfig(shareConfig(config)),
      memory,
      new CoordinatorStatus(memory.status),
    );
    this.ask.bind(this.words, 0);
  }

  decide(key: number, nowMs: number): boolean {
    this.fields.limitCount = 0;
    const hash = Math.imul(key ^ (key >>> 15), 0x2c1b3c6d);
    addLimit(this.fields, 0, hash ^ (hash >>> 12), Math.imul(hash ^ (hash >>> 13), 0x297a2d39));
    writeAsk(this.words, 0, 1, this.fields);
    this.reply.clear();
    if (!this.limits.peek(this.ask, this.reply, nowMs)) return false;
    this.limits.commit(this.holder, this.ask, this.reply, nowMs);
    return true;
  }
}
