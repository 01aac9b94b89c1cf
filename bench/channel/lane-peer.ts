/**
 * The consumer's thread of the lane benches: it counts what comes, or sends it back.
 *
 * Each way of transport has its loop here; all of them fold the first word of each record, so
 * that every record is really read.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { defined } from '../../src/base/assert.js';
import type { RecordHandler } from '../../src/channel/byte-ring.js';
import { LaneEnd, type LaneMemory } from '../../src/channel/lane.js';
import { fold } from '../support/bench-harness.js';

export const RECORD_DATA = 1;
/** The last one of a run: the peer posts its checksum. */
export const RECORD_LAST = 2;

export interface LanePeerTask {
  /** A lane; one message for each record; or one message for each burst. */
  readonly way: 'lane' | 'message' | 'burst';
  readonly isEcho: boolean;
  readonly memory: LaneMemory;
  readonly port: MessagePort;
}

class LanePeer implements RecordHandler {
  private readonly end: LaneEnd;
  private checksum = 0;

  constructor(private readonly task: LanePeerTask) {
    this.end = new LaneEnd(task.memory, 'worker', task.port);
    task.port.on('message', () => this.work());
    this.work();
  }

  private work(): void {
    do {
      this.end.drain(this);
      if (this.task.isEcho) this.end.publish();
    } while (!this.end.consumer.park());
  }

  onRecord(kind: number, _flags: number, index: number, generation: number): void {
    const { consumer, producer } = this.end;
    const value = consumer.int(0);
    if (kind === RECORD_LAST) {
      post(this.checksum);
      this.checksum = 0;
    } else if (this.task.isEcho) {
      producer.claim(kind, index, generation, consumer.payloadBytes);
      producer.ints[producer.payload >> 2] = value;
    } else {
      this.checksum = fold(this.checksum, value);
    }
  }
}

function serveMessages({ port, isEcho }: LanePeerTask): void {
  let checksum = 0;
  port.on('message', (record: Int32Array | null) => {
    if (record === null) {
      post(checksum);
      checksum = 0;
    } else if (isEcho) port.postMessage(record);
    else checksum = fold(checksum, record[0] ?? 0);
  });
}

function serveBursts({ port }: LanePeerTask): void {
  let checksum = 0;
  port.on('message', (burst: Int32Array[] | null) => {
    if (burst === null) {
      post(checksum);
      checksum = 0;
      return;
    }
    for (const record of burst) checksum = fold(checksum, record[0] ?? 0);
  });
}

function post(message: unknown): void {
  defined(parentPort, 'the port of the thread').postMessage(message);
}

function serve(task: LanePeerTask): void {
  if (task.way === 'lane') new LanePeer(task);
  else if (task.way === 'message') serveMessages(task);
  else serveBursts(task);
  post('ready');
}

// The bench imports the names above on its own thread, where there is nobody to serve.
if (parentPort !== null) serve(workerData as LanePeerTask);
