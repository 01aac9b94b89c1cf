/**
 * A worker thread that asks a real coordinator as fast as it can and counts the verdicts.
 *
 * It is woken by its port only, never polls, and keeps a number of asks in flight. Run it from
 * the build: dist/test/support/coordinator-asker.js.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  CoordinatorWorkerEnd,
  type ReplyHandler,
} from '../../src/channel/coordinator/coordinator-channel.js';
import type { CoordinatorLaneMemory } from '../../src/channel/coordinator/coordinator-memory.js';
import {
  type AskFields,
  addLimit,
  createAskFields,
  OUTCOME_SUCCESS,
  type ReplyView,
  VERDICT_ADMITTED,
} from '../../src/channel/coordinator/coordinator-records.js';

export interface AskerData {
  readonly memory: CoordinatorLaneMemory;
  readonly wakePort: MessagePort;
  readonly askCount: number;
  readonly inFlight: number;
  readonly limiterIndex: number;
}

export type AskerMessage =
  | { readonly type: 'progress' }
  | { readonly type: 'done'; readonly admitted: number; readonly answered: number };

/** Another coordinator wakes through another port. */
export interface AskerMail {
  readonly wakePort: MessagePort;
}

class Asker implements ReplyHandler {
  private readonly end: CoordinatorWorkerEnd;
  private readonly pending = new Set<number>();
  private readonly ask: AskFields;
  private asked = 0;
  private answered = 0;
  private admitted = 0;

  constructor(
    private readonly data: AskerData,
    private readonly mainPort: MessagePort,
  ) {
    this.end = new CoordinatorWorkerEnd(data.memory);
    this.ask = createAskFields();
    if (data.limiterIndex >= 0) addLimit(this.ask, data.limiterIndex, 11, 12);
  }

  listen(port: MessagePort): void {
    port.on('message', () => this.onWake());
  }

  fill(): void {
    while (this.pending.size < this.data.inFlight && this.asked < this.data.askCount) {
      this.ask.askId = this.asked + 1;
      if (!this.end.ask(this.ask)) break;
      this.asked += 1;
      this.pending.add(this.ask.askId);
    }
    this.end.flush();
  }

  onReply(reply: ReplyView): boolean {
    if (!this.pending.delete(reply.askId)) return false;
    this.answered += 1;
    if (reply.verdict !== VERDICT_ADMITTED) return true;
    this.admitted += 1;
    this.end.tellOutcome(reply.targetIndex, reply.ticket, OUTCOME_SUCCESS, reply.upstreamIndex);
    return true;
  }

  private onWake(): void {
    this.end.drainReplies(this);
    this.fill();
    this.say({ type: 'progress' });
    if (this.answered < this.data.askCount) return;
    this.say({ type: 'done', admitted: this.admitted, answered: this.answered });
  }

  private say(message: AskerMessage): void {
    this.mainPort.postMessage(message);
  }
}

if (!isMainThread && parentPort !== null) {
  const asker = new Asker(workerData, parentPort);
  parentPort.on('message', (mail: AskerMail) => asker.listen(mail.wakePort));
  asker.listen(workerData.wakePort);
  asker.fill();
}
