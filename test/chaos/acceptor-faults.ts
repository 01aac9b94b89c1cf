/**
 * Two acceptors with a worker each, one of which crashes, hangs or ends, again and again, under
 * load. What must hold:
 *
 *     a request is lost only with a connection of the acceptor that has died
 *     a limit admits no more than it says, whoever dies
 *     every acceptor comes back, nothing is left in flight, no file stays open
 *     the gateway ends in order, and cuts nothing off that has time to end
 */
import { readdirSync, readlinkSync } from 'node:fs';
import type { GatewayProcess } from '../support/gateway-process.js';
import { acceptorsOf, replaceAcceptor } from '../support/several-acceptors.js';
import type { Row } from './report.js';
import { addFigures, LISTEN_HTTP2, type Rig, seconds } from './rig.js';

const LIMIT = 200;

/** For {@link Rig.start}. */
export const TWO_ACCEPTORS = {
  acceptors: 2,
  listen: LISTEN_HTTP2,
  routes: [
    { name: 'quick', match: { path: '/quick' }, upstream: 'plain' },
    {
      name: 'limited',
      match: { path: '/limited' },
      respond: { body: 'ok' },
      rateLimit: { limit: LIMIT, window: '1h', key: 'route' },
    },
  ],
};

type Fault = Parameters<typeof replaceAcceptor>[2];
export type AcceptorFault = readonly [acceptor: number, fault: Fault];

export const ACCEPTOR_FAULTS: readonly AcceptorFault[] = [
  [1, 'crash'],
  [0, 'hang'],
];

/** More than ten deaths a minute would end the process. */
const PAUSE_S = 7;

/** `count` of them, so that two of a kind seldom follow each other. */
export function manyAcceptorFaults(count: number): AcceptorFault[] {
  const kinds: readonly Fault[] = ['crash', 'hang', 'exit', 'crash', 'exit'];
  return Array.from({ length: count }, (_, at) => [
    (at * 5 + (at >> 2)) % 2,
    kinds[at % kinds.length] ?? 'crash',
  ]);
}

export async function runAcceptorFaults(
  rig: Rig,
  faults: readonly AcceptorFault[] = ACCEPTOR_FAULTS,
): Promise<Row> {
  const { gateway } = rig;
  const load = rig.load(300);
  const limited = rig.load(60, '/limited', 32);
  await seconds(1);
  const figures = await load.take();
  const before = rig.memoryMb();
  const files = openFiles(gateway);
  let recoverMs = 0;
  for (const [acceptor, fault] of faults) {
    const beganMs = performance.now();
    await replaceAcceptor(gateway, acceptor, fault);
    recoverMs = Math.max(recoverMs, performance.now() - beganMs);
    await seconds(faults.length > ACCEPTOR_FAULTS.length ? PAUSE_S : 0.5);
  }
  addFigures(figures, await load.stop());
  const taken = await limited.stop();
  const wrongs = await rig.leftovers();
  const acceptors = await acceptorsOf(gateway);
  const lost = acceptors.reduce((sum, one) => sum + one.lost_connections, 0);
  if (acceptors.some(({ serving }) => !serving)) wrongs.push('an acceptor does not serve');
  const { failed, refused, dropped } = figures;
  if (failed + refused > 0) wrongs.push(`noticed: ${JSON.stringify(figures.kinds)}`);
  if (dropped + taken.dropped > lost) wrongs.push(`${dropped} lost, of ${lost} connections`);
  if (taken.good + taken.late > LIMIT) wrongs.push(`${taken.good + taken.late} of ${LIMIT}`);
  if (taken.failed > 0) wrongs.push(`under a limit: ${JSON.stringify(taken.kinds)}`);
  wrongs.push(...(await filesLeft(gateway, files)));
  const memoryMb = [before, rig.memoryMb()] as const;
  wrongs.push(...(await endsInOrder(rig)));
  const name =
    faults.length > ACCEPTOR_FAULTS.length ? 'acceptors die for minutes' : 'acceptors die';
  const notes = [`${lost} connections lost in ${faults.length} deaths`];
  return { fault: name, figures, recoverMs, memoryMb, wrongs, notes };
}

/** SIGTERM under load. */
async function endsInOrder(rig: Rig): Promise<string[]> {
  const { gateway } = rig;
  const load = rig.load(200);
  await seconds(0.5);
  await gateway.stop();
  await load.stop();
  const wrongs: string[] = [];
  if (gateway.exitCode !== 0) wrongs.push(`ended with ${gateway.exitCode ?? gateway.signal}`);
  for (const message of ['requests cut off at the deadline', 'internal error']) {
    if (gateway.find(message).length > 0) wrongs.push(message);
  }
  if (gateway.stderr !== '') wrongs.push(`on standard error: ${gateway.stderr.slice(0, 200)}`);
  return wrongs;
}

/** Open files of the process that are no sockets, whose number depends on clients and targets. */
function openFiles({ child }: GatewayProcess): number {
  const folder = `/proc/${child.pid}/fd`;
  let count = 0;
  for (const name of readdirSync(folder)) {
    try {
      if (!readlinkSync(`${folder}/${name}`).startsWith('socket:')) count += 1;
    } catch {
      // Closed meanwhile.
    }
  }
  return count;
}

async function filesLeft(gateway: GatewayProcess, before: number): Promise<string[]> {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    const now = openFiles(gateway);
    if (now <= before) return [];
    if (performance.now() > untilMs) return [`${now - before} files stay open`];
    await seconds(0.1);
  }
}
