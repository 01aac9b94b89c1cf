/**
 * Question: what does it do to the traffic that somebody reads the metrics ten times a second?
 *
 * Prometheus reads once in fifteen seconds or so: this is more than a hundred times as often.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CPU_PER_REQUEST, measureLoad } from '../closed-loop.js';
import { probe, type RunningContender } from '../contender.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';
import { PLAIN_GET } from './plain-get.js';

const SCRAPE_EVERY_MS = 100;

const PER_SECOND = measure({
  key: 'perSecond',
  title: 'requests/s',
  short: 'rate',
  unit: '/s',
  meaning: 'requests answered in a second while the metrics are read',
  better: 'more',
});

export const scraped: Scenario = {
  name: 'scraped',
  title: 'GET, 131 bytes of JSON back, while /metrics is read ten times a second',
  notes: ['The first of each pair was measured without a reader just before, in the same round.'],
  measures: [
    measure({
      key: 'cpuVsUnread',
      title: 'CPU/unread',
      unit: '×',
      meaning: 'CPU per request divided by its own while nobody reads',
      isMain: true,
      hasRatio: false,
    }),
    measure({
      key: 'p99VsUnread',
      title: 'p99/unread',
      unit: '×',
      meaning: '99th percentile of latency divided by its own while nobody reads',
      isMain: true,
      hasRatio: false,
    }),
    CPU_PER_REQUEST,
    PER_SECOND,
    measure({
      key: 'scrapes',
      title: 'reads',
      unit: '',
      meaning: 'reads of the metrics',
      better: 'more',
    }),
  ],
  roundsMin: 1,
  hasWarmup: true,
  takes: ({ name }) => name.startsWith('sluice'),
  run: runRound,
};

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const running = await context.running('plain');
  const unread = await measureLoad(context, running, { request: PLAIN_GET });
  const reader = new Reader(running);
  const read = await measureLoad(context, running, { request: PLAIN_GET }).finally(() =>
    reader.stop(),
  );
  const { cpuUs = Number.NaN, p99Ms = Number.NaN } = unread.values;
  const values = {
    ...read.values,
    cpuVsUnread: (read.values['cpuUs'] ?? Number.NaN) / cpuUs,
    p99VsUnread: (read.values['p99Ms'] ?? Number.NaN) / p99Ms,
    scrapes: reader.scrapes,
  };
  return { ...read, values };
}

/** Reads the metrics again and again until it is stopped. */
class Reader {
  scrapes = 0;
  private isStopped = false;
  private readonly ended: Promise<void>;

  constructor(running: RunningContender) {
    this.ended = this.run(running);
    // A failure is reported by stop().
    this.ended.catch(() => {});
  }

  private async run({ metrics }: RunningContender): Promise<void> {
    if (metrics === undefined) throw new Error('it shows no metrics');
    while (!this.isStopped) {
      const { status, body } = await probe(metrics);
      if (status !== 200 || !body.includes('_requests_total')) {
        throw new Error(`the metrics are answered with ${status}: ${body.slice(0, 100)}`);
      }
      this.scrapes += 1;
      await sleep(SCRAPE_EVERY_MS);
    }
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return this.ended;
  }
}
