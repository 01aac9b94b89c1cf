/**
 * Question: how long does a reply take when requests come at their own pace, at half of what the
 * gateway can do?
 *
 * Each contender is saturated first, in the same round, to know its half. Then requests are due
 * at fixed times whether or not earlier ones were answered, and latency counts from when a
 * request was due: a gateway that stalls for a moment pays for all that should have come then.
 */
import { measureLoad } from '../closed-loop.js';
import { measurePaced } from '../open-loop.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';
import { PLAIN_GET } from './plain-get.js';

/** Beyond this the generator's own lateness would be what is measured. */
const RATE_MAX = 15_000;
const SMOKE_RATE = 500;

export const openLoop: Scenario = {
  name: 'open-loop',
  title: `GET at half of its own saturated rate (at most ${RATE_MAX}/s), 131 bytes of JSON back`,
  notes: [
    'Rates differ from one contender to the next: each is asked for half of what it can do.',
    'The generator is late by itself at times; `late p99` says how much, and is in the latency.',
  ],
  measures: [
    measure({
      key: 'p50Ms',
      title: 'p50 ms',
      short: 'p50',
      unit: 'ms',
      meaning: 'from when a request was due to its reply: half took no longer',
      isMain: true,
    }),
    measure({
      key: 'p99Ms',
      title: 'p99 ms',
      short: 'p99',
      unit: 'ms',
      meaning: 'from when a request was due to its reply: 99 of 100 took no longer',
      isMain: true,
    }),
    measure({ key: 'p999Ms', title: 'p99.9 ms', unit: 'ms', meaning: '999 of 1,000' }),
    measure({ key: 'maxMs', title: 'max ms', unit: 'ms', meaning: 'the longest' }),
    measure({
      key: 'lateP50Ms',
      title: 'late p50',
      unit: 'ms',
      meaning: 'how late the generator itself came to send: half',
    }),
    measure({ key: 'lateP99Ms', title: 'late p99', unit: 'ms', meaning: 'the same: 99 of 100' }),
    measure({
      key: 'perSecond',
      title: 'asked/s',
      unit: '/s',
      meaning: 'requests due in a second',
      better: 'more',
    }),
    measure({
      key: 'cpuUs',
      title: 'CPU µs',
      short: 'CPU',
      unit: 'µs',
      meaning: 'processor time per request at this load, where batches are smaller',
      isMain: true,
      isOfDirect: false,
    }),
  ],
  roundsMin: 1,
  hasWarmup: true,
  takes: () => true,
  run: runRound,
};

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const running = await context.running('plain');
  const saturated = await measureLoad(context, running, { request: PLAIN_GET });
  const half = Math.floor((saturated.values['perSecond'] ?? 0) / 2);
  const rate = Math.min(RATE_MAX, context.isSmoke ? SMOKE_RATE : half);
  const load = { path: PLAIN_GET.path, rate, connections: context.connections };
  const { result, cpuUs, byThreadUs } = await measurePaced(context, running, load);
  const { latencyUs, lateUs, errors } = result;
  return {
    values: {
      p50Ms: latencyUs.p50 / 1000,
      p99Ms: latencyUs.p99 / 1000,
      p999Ms: latencyUs.p999 / 1000,
      maxMs: latencyUs.max / 1000,
      lateP50Ms: lateUs.p50 / 1000,
      lateP99Ms: lateUs.p99 / 1000,
      perSecond: rate,
      cpuUs,
    },
    byThreadUs,
    errors: { ...saturated.errors, ...errors },
  };
}
