/**
 * Question: how much memory does a gateway hold when nothing happens, and how much more with ten
 * thousand connections that do nothing?
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '../../support/child-processes.js';
import { readTreeMemory } from '../../support/process-memory.js';
import { HEALTH_PATH, launch } from '../contender.js';
import { IDLE_READY } from '../idle-client.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';

const CLIENT = fileURLToPath(new URL('../idle-client.js', import.meta.url));
const CONNECTIONS = { smoke: 50, full: 10_000 };
const SETTLE_MS = { smoke: 100, full: 2000 };
/** Well below ten seconds, after which uWebSockets.js closes a connection that says nothing. */
const HOLD_MS = { smoke: 100, full: 1000 };
/** Ten thousand handshakes of TLS take half a minute of a core, on both sides. */
const OPEN_DEADLINE_MS = 150_000;

export const residentSet: Scenario = {
  name: 'resident-set',
  title: 'resident memory of a fresh process, idle, then with 10,000 idle connections',
  notes: [
    'Each connection sent a request or a few before it fell silent, a second before the reading.',
    'Pages that processes of one gateway share are counted once for each of them.',
  ],
  measures: [
    measure({
      key: 'idleMiB',
      title: 'idle MiB',
      short: 'idle',
      unit: 'MiB',
      meaning: 'resident set after one request and two quiet seconds',
      isMain: true,
    }),
    measure({
      key: 'addedMiB',
      title: 'added MiB',
      short: 'added',
      unit: 'MiB',
      meaning: 'how much larger it is while the idle connections are open',
      isMain: true,
      hasRatio: false,
    }),
    measure({
      key: 'open',
      title: 'open',
      unit: 'connections',
      meaning: 'connections that were open at that moment',
      better: 'more',
    }),
  ],
  roundsMin: 1,
  hasWarmup: false,
  takes: ({ name }) => name !== 'direct',
  run: runRound,
};

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const size = context.isSmoke ? 'smoke' : 'full';
  const plan = await context.planFresh();
  const { name } = context.contender;
  const { child } = await launch(name, plan, context.children, context.origin);
  try {
    await sleep(SETTLE_MS[size]);
    const idleMiB = readTreeMemory(child.pid).residentMiB;
    const wanted = CONNECTIONS[size];
    const client = context.children.start('idle connections', [
      process.execPath,
      CLIENT,
      String(plan.port),
      String(wanted),
      HEALTH_PATH,
      plan.isTls === true ? 'tls' : 'plain',
    ]);
    const isOpen = async () => client.output.includes(IDLE_READY);
    try {
      await waitUntil(`${wanted} connections stand`, OPEN_DEADLINE_MS, isOpen, client);
      await sleep(HOLD_MS[size]);
      const addedMiB = readTreeMemory(child.pid).residentMiB - idleMiB;
      const lost = client.output.split('\n').filter((line) => line === 'CLOSED').length;
      const refused = Number(new RegExp(`${IDLE_READY}(\\d+)`).exec(client.output)?.[1]);
      const open = wanted - refused - lost;
      const errors: Record<string, number> = open === wanted ? {} : { 'not open': wanted - open };
      return { values: { idleMiB, addedMiB, open }, byThreadUs: {}, errors };
    } finally {
      await client.stop();
    }
  } finally {
    await child.stop();
  }
}
