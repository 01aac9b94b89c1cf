/**
 * The coordinator's thread of coordinator-round-trip: it admits everything at once, so that the
 * road is measured and not the decision.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../src/base/clock.js';
import {
  CoordinatorEnd,
  type CoordinatorHandler,
} from '../../src/channel/coordinator/coordinator-end.js';
import type { CoordinatorMemory } from '../../src/channel/coordinator/coordinator-memory.js';
import {
  type AskView,
  type ReplyFields,
  VERDICT_ADMITTED,
} from '../../src/channel/coordinator/coordinator-records.js';

export interface CoordinatorPeerTask {
  readonly way: 'slots' | 'message';
  readonly memory: CoordinatorMemory;
  readonly port: MessagePort;
}

/** What the message alternative asks and is answered. */
export interface AskMessage {
  readonly askId: number;
  readonly routeIndex: number;
}

const PARK_MS = 100;

class AdmitAll implements CoordinatorHandler {
  isRunning = true;

  onAsk(_lane: number, ask: AskView, reply: ReplyFields): boolean {
    reply.verdict = VERDICT_ADMITTED;
    reply.targetIndex = targetOf(ask.routeIndex);
    return true;
  }

  onAbandon(): void {}

  onTell(): void {}
  onReturn(): void {}
  onSeenAgain(): void {}
  onInFlightEnd(): void {}
  onWorkerLost(): void {}
  onProbe(): void {}
  onTargetsChanged(): void {}
  onMail(): void {}

  onStop(): void {
    this.isRunning = false;
  }
}

function targetOf(routeIndex: number): number {
  return routeIndex & 7;
}

function serveSlots({ memory, port }: CoordinatorPeerTask): void {
  const end = new CoordinatorEnd(memory);
  end.setWakePort(0, port);
  const handler = new AdmitAll();
  while (handler.isRunning) {
    if (end.drain(handler, systemClock.nowMs()) === 0) end.park(PARK_MS);
  }
}

function serveMessages({ port }: CoordinatorPeerTask): void {
  port.on('message', ({ askId, routeIndex }: AskMessage) => {
    port.postMessage({ askId, verdict: VERDICT_ADMITTED, targetIndex: targetOf(routeIndex) });
  });
}

if (parentPort !== null) {
  const task = workerData as CoordinatorPeerTask;
  parentPort.postMessage('ready');
  if (task.way === 'slots') serveSlots(task);
  else serveMessages(task);
}
