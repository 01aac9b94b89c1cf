/**
 * Question: how long does one record take to a parked worker and back?
 *
 *     this thread ── record ──► peer
 *                 ◄── record ──      one at a time: both sleep in between
 *
 * The lowest load a lane knows, where each way costs a wake. The alternative posts messages.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { RecordHandler } from '../../src/channel/byte-ring.js';
import { allocateLane, LaneEnd, type LaneMemory } from '../../src/channel/lane.js';
import { type Bench, type CaseFigures, fold, summarise } from '../support/bench-harness.js';
import { PeerThread } from '../support/peer-thread.js';
import { type LanePeerTask, RECORD_DATA } from './lane-peer.js';

interface Load {
  readonly turns: number;
  readonly warmup: number;
  readonly payloadBytes: number;
}

/** Sends one record; `onBack` is called with its first word when it is back. */
interface PingPong {
  onBack: (value: number) => void;
  send(value: number): void;
}

const PEER = new URL('./lane-peer.js', import.meta.url);

export const bench: Bench = {
  question: 'how long does one record take to a parked worker and back?',

  async run(context) {
    const load: Load = {
      turns: context.parameter('turns', 16, 20_000),
      warmup: context.parameter('turns before', 4, 2000),
      payloadBytes: context.parameter('payload bytes', 64, 256),
    };
    const figures = [
      await measure('lane: both ends park', 'lane', load),
      await measure('MessagePort', 'message', load),
    ];
    const [first, second] = figures;
    if (first?.checksum !== second?.checksum) throw new Error('a record came back changed');
    return figures;
  },
};

async function measure(name: string, way: 'lane' | 'message', load: Load): Promise<CaseFigures> {
  const { port1, port2 } = new MessageChannel();
  const memory = allocateLane();
  const task: LanePeerTask = { way, isEcho: true, memory, port: port2 };
  const peer = new PeerThread(PEER, task, [port2]);
  try {
    await peer.next();
    const { payloadBytes } = load;
    const pingPong =
      way === 'lane'
        ? new LanePingPong(memory, port1, payloadBytes)
        : makeMessagePingPong(port1, payloadBytes);
    const { nsPerOperation, checksum } = await playTurns(pingPong, load);
    const role = way === 'lane' ? 'subject' : 'alternative';
    return summarise({ name, role, nsPerOperation, checksum });
  } finally {
    port1.close();
    await peer.end();
  }
}

function playTurns(pingPong: PingPong, { turns, warmup }: Load) {
  return new Promise<{ nsPerOperation: number[]; checksum: number }>((resolve) => {
    const nsPerOperation: number[] = [];
    let checksum = 0;
    let turn = -warmup;
    let sentMs = 0;
    const send = () => {
      sentMs = performance.now();
      pingPong.send(turn);
    };
    pingPong.onBack = (value) => {
      if (turn >= 0) {
        nsPerOperation.push((performance.now() - sentMs) * 1e6);
        checksum = fold(checksum, value);
      }
      turn += 1;
      // A turn of its own, so that this end parks before the next record goes out.
      if (turn < turns) setImmediate(send);
      else resolve({ nsPerOperation, checksum });
    };
    send();
  });
}

class LanePingPong implements PingPong, RecordHandler {
  onBack: (value: number) => void = () => undefined;
  private readonly end: LaneEnd;

  constructor(
    memory: LaneMemory,
    port: MessagePort,
    private readonly payloadBytes: number,
  ) {
    this.end = new LaneEnd(memory, 'acceptor', port);
    port.on('message', () => this.drain());
    this.drain();
  }

  send(value: number): void {
    const { producer } = this.end;
    producer.claim(RECORD_DATA, 0, 1, this.payloadBytes);
    producer.ints[producer.payload >> 2] = value;
    this.end.publish();
  }

  onRecord(): void {
    this.onBack(this.end.consumer.int(0));
  }

  private drain(): void {
    do this.end.drain(this);
    while (!this.end.consumer.park());
  }
}

function makeMessagePingPong(port: MessagePort, payloadBytes: number): PingPong {
  const pingPong: PingPong = {
    onBack: () => undefined,
    send(value) {
      const record = new Int32Array(payloadBytes >> 2);
      record[0] = value;
      port.postMessage(record);
    },
  };
  port.on('message', (record: Int32Array) => pingPong.onBack(record[0] ?? 0));
  return pingPong;
}
