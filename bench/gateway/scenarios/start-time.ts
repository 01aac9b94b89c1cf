/**
 * Question: how long after exec does a gateway answer its first request?
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HEALTH_PATH, HOST, probe, startPlan } from '../contender.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';

const STARTS = 5;
const POLL_MS = 2;
const DEADLINE_MS = 20_000;

export const startTime: Scenario = {
  name: 'start-time',
  title: 'from exec to the first 200, a fresh process each time',
  notes: [`It is polled every ${POLL_MS} ms, so figures are that much too large at most.`],
  measures: [
    measure({
      key: 'firstReplyMs',
      title: 'first 200 ms',
      short: 'first 200',
      unit: 'ms',
      meaning: 'from exec until a request was answered with 200',
      isMain: true,
    }),
    measure({
      key: 'listeningMs',
      title: 'listening ms',
      short: 'listening',
      unit: 'ms',
      meaning: 'from exec until a connection was accepted',
      isMain: true,
    }),
  ],
  roundsMin: STARTS,
  hasWarmup: false,
  takes: ({ name }) => name !== 'direct',
  run: runRound,
};

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const plan = await context.planFresh();
  const startedMs = performance.now();
  const child = startPlan(context.contender.name, plan, context.children);
  let listeningMs = Number.NaN;
  try {
    for (;;) {
      if (child.hasEnded) throw new Error(`it ended: ${child.output.trim()}`);
      if (performance.now() - startedMs > DEADLINE_MS) throw new Error('it never answered');
      const isListening = Number.isFinite(listeningMs) || (await accepts(plan.port));
      const nowMs = performance.now();
      if (isListening && !Number.isFinite(listeningMs)) listeningMs = nowMs - startedMs;
      if (isListening && (await answers(plan.port))) break;
      await sleep(POLL_MS);
    }
    const firstReplyMs = performance.now() - startedMs;
    return { values: { firstReplyMs, listeningMs }, byThreadUs: {}, errors: {} };
  } finally {
    await child.stop();
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await probe({ port, path: HEALTH_PATH })).status === 200;
  } catch {
    return false;
  }
}
