/**
 * Question: what does a client notice of a copy of its request that goes to another upstream?
 *
 * Both kinds of requests go to one process in turn, within each round, at a rate that leaves the
 * machine idle for most of the time: a copy costs as much as another request, and who has no
 * processor left for it has none for the client either.
 */
import { MIRROR_PREFIX } from '../bench-requests.js';
import { assertRightAnswer } from '../contender.js';
import { measurePaced } from '../open-loop.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';
import { PLAIN_GET } from './plain-get.js';

const RATE = 2000;
const SMOKE_RATE = 500;
const CONNECTIONS = 16;
const MIRRORED_GET = { ...PLAIN_GET, path: `${MIRROR_PREFIX}/small` };

export const mirror: Scenario = {
  name: 'mirror',
  title: `GET that is copied to another upstream, ${RATE} a second, 131 bytes of JSON back`,
  notes: ['Divided by a plain GET at the same rate to the same process, just before.'],
  measures: [
    ratio('p50VsPlain', 'p50/own plain', 'half took no longer'),
    ratio('p99VsPlain', 'p99/own plain', '99 of 100 took no longer'),
    ratio('cpuVsPlain', 'CPU/own plain', 'processor time per request, that of its copy included'),
    measure({ key: 'p99Ms', title: 'p99 ms', unit: 'ms', meaning: '99 of 100 took no longer' }),
  ],
  roundsMin: 5,
  hasWarmup: true,
  takes: ({ abilities }) => abilities.includes('mirror'),
  run: runRound,
};

function ratio(key: string, title: string, meaning: string) {
  const said = `${meaning}, divided by that of a plain GET`;
  return measure({ key, title, unit: '×', meaning: said, isMain: true, hasRatio: false });
}

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const running = await context.running('mirror');
  await assertRightAnswer(MIRRORED_GET, running);
  const load = { rate: context.isSmoke ? SMOKE_RATE : RATE, connections: CONNECTIONS };
  const plain = await measurePaced(context, running, { ...load, path: PLAIN_GET.path });
  const copied = await measurePaced(context, running, { ...load, path: MIRRORED_GET.path });
  const { latencyUs, errors } = copied.result;
  return {
    values: {
      p50VsPlain: latencyUs.p50 / plain.result.latencyUs.p50,
      p99VsPlain: latencyUs.p99 / plain.result.latencyUs.p99,
      cpuVsPlain: copied.cpuUs / plain.cpuUs,
      p99Ms: latencyUs.p99 / 1000,
    },
    byThreadUs: copied.byThreadUs,
    errors: { ...plain.result.errors, ...errors },
  };
}
