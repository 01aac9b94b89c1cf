/**
 * Question: how many records a second go from the acceptor's thread to one worker?
 *
 *     this thread ══ bursts, one event loop turn each ══► peer (reads every record)
 *
 * A burst is what one turn of the event loop brings; the lane publishes it once. The
 * alternatives post a message for each record, and a message for each burst.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { allocateLane, LaneEnd, type LaneMemory } from '../../src/channel/lane.js';
import { type Bench, type CaseFigures, fold, summarise } from '../support/bench-harness.js';
import { PeerThread } from '../support/peer-thread.js';
import { type LanePeerTask, RECORD_DATA, RECORD_LAST } from './lane-peer.js';

interface Load {
  readonly records: number;
  readonly burst: number;
  readonly payloadBytes: number;
  readonly runs: number;
}

/** Sends the records from `first` on, as one burst; false: no room, call again next turn. */
interface Sender {
  sendBurst(first: number, count: number): number;
  sendLast(): void;
}

const PEER = new URL('./lane-peer.js', import.meta.url);
const WARMUP_RUNS = 1;

export const bench: Bench = {
  question: 'how many records a second go from one thread to another?',

  async run(context) {
    const load: Load = {
      records: context.parameter('records', 64, 100_000),
      burst: context.parameter('burst', 8, 64),
      payloadBytes: context.parameter('payload bytes', 64, 256),
      runs: context.parameter('runs', 1, 7),
    };
    return [
      await measure('lane: one publish a burst', 'lane', load),
      await measure('MessagePort: one message a record', 'message', load),
      await measure('MessagePort: one message a burst', 'burst', load),
    ];
  },
};

async function measure(name: string, way: LanePeerTask['way'], load: Load): Promise<CaseFigures> {
  const { port1, port2 } = new MessageChannel();
  const memory = allocateLane();
  const task: LanePeerTask = { way, isEcho: false, memory, port: port2 };
  const peer = new PeerThread(PEER, task, [port2]);
  try {
    await peer.next();
    const sender = makeSender(way, memory, port1, load);
    const nsPerRecord: number[] = [];
    let checksum = 0;
    for (let run = 0; run < WARMUP_RUNS + load.runs; run += 1) {
      const start = performance.now();
      await sendAll(sender, load);
      checksum = (await peer.next()) as number;
      const ns = (performance.now() - start) * 1e6;
      if (run >= WARMUP_RUNS) nsPerRecord.push(ns / load.records);
    }
    assertAllArrived(name, checksum, load.records);
    const role = way === 'lane' ? 'subject' : 'alternative';
    return summarise({ name, role, nsPerOperation: nsPerRecord, checksum });
  } finally {
    port1.close();
    await peer.end();
  }
}

async function sendAll(sender: Sender, { records, burst }: Load): Promise<void> {
  for (let sent = 0; sent < records; ) {
    sent += sender.sendBurst(sent, Math.min(burst, records - sent));
    await nextTurn();
  }
  sender.sendLast();
}

function makeSender(
  way: LanePeerTask['way'],
  memory: LaneMemory,
  port: MessagePort,
  { payloadBytes }: Load,
): Sender {
  const makeRecord = (value: number) => {
    const record = new Int32Array(payloadBytes >> 2);
    record[0] = value;
    return record;
  };
  if (way === 'lane') return new LaneSender(memory, port, payloadBytes);
  if (way === 'message') {
    return {
      sendBurst(first, count) {
        for (let at = 0; at < count; at += 1) port.postMessage(makeRecord(first + at));
        return count;
      },
      sendLast: () => port.postMessage(null),
    };
  }
  return {
    sendBurst(first, count) {
      port.postMessage(Array.from({ length: count }, (_, at) => makeRecord(first + at)));
      return count;
    },
    sendLast: () => port.postMessage(null),
  };
}

class LaneSender implements Sender {
  private readonly end: LaneEnd;
  private readonly body: Uint8Array;

  constructor(
    memory: LaneMemory,
    port: MessagePort,
    private readonly payloadBytes: number,
  ) {
    this.end = new LaneEnd(memory, 'acceptor', port);
    this.body = new Uint8Array(payloadBytes - 4);
  }

  sendBurst(first: number, count: number): number {
    const { producer } = this.end;
    let sent = 0;
    while (sent < count && producer.backlogBytes === 0) {
      producer.claim(RECORD_DATA, first + sent, 1, this.payloadBytes);
      producer.ints[producer.payload >> 2] = first + sent;
      // The alternatives copy the whole record, so the lane does it too.
      producer.bytes.set(this.body, producer.payload + 4);
      sent += 1;
    }
    this.end.publish();
    return sent;
  }

  sendLast(): void {
    this.end.producer.claim(RECORD_LAST, 0, 1, 8);
    this.end.publish();
  }
}

function assertAllArrived(name: string, checksum: number, records: number): void {
  let expected = 0;
  for (let value = 0; value < records; value += 1) expected = fold(expected, value);
  if (checksum !== expected) throw new Error(`${name}: the peer read other records than were sent`);
}
