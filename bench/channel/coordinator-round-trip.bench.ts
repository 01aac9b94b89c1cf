/**
 * Question: what does a worker pay for asking the coordinator, alone and in batches?
 *
 *     this thread ══ asks, one flush for all of them ══► coordinator (sleeps in Atomics.wait)
 *                 ◄══ replies, one wake at most ════
 *
 * The coordinator admits everything. The alternative posts a message for each ask and one for
 * each reply. Times are per round of asks divided by their number.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { CoordinatorWorkerEnd } from '../../src/channel/coordinator/coordinator-channel.js';
import { CoordinatorControl } from '../../src/channel/coordinator/coordinator-control.js';
import {
  allocateMemory,
  type CoordinatorMemory,
  laneMemoryOf,
} from '../../src/channel/coordinator/coordinator-memory.js';
import { createAskFields } from '../../src/channel/coordinator/coordinator-records.js';
import { type Bench, type CaseFigures, fold, summarise } from '../support/bench-harness.js';
import { PeerThread } from '../support/peer-thread.js';
import type { AskMessage, CoordinatorPeerTask } from './coordinator-peer.js';

interface Load {
  readonly rounds: number;
  readonly warmup: number;
}

/** Sends `count` asks; `onReply` is called for each reply. */
interface Asker {
  onReply: (askId: number, targetIndex: number) => void;
  askMany(count: number): void;
}

const PEER = new URL('./coordinator-peer.js', import.meta.url);
const TABLE_BYTES = 1024;

export const bench: Bench = {
  question: 'what does a worker pay for asking the coordinator?',

  async run(context) {
    const batch = context.parameter('batch', 4, 32);
    const load: Load = {
      rounds: context.parameter('rounds', 8, 10_000),
      warmup: context.parameter('rounds before', 2, 1000),
    };
    const figures: CaseFigures[] = [];
    for (const count of [1, batch]) {
      const slots = await measure('slots', count, load);
      const messages = await measure('message', count, load);
      if (slots.checksum !== messages.checksum) throw new Error('the replies differ');
      figures.push(slots, messages);
    }
    return figures;
  },
};

async function measure(
  way: CoordinatorPeerTask['way'],
  count: number,
  load: Load,
): Promise<CaseFigures> {
  const { port1, port2 } = new MessageChannel();
  const memory = allocateMemory({
    workers: 1,
    targets: 8,
    upstreams: 1,
    upstreamBytes: TABLE_BYTES,
    probeBytes: TABLE_BYTES,
    compactBucketBytes: TABLE_BYTES,
    wideBucketBytes: TABLE_BYTES,
    largeBucketBytes: TABLE_BYTES,
    inFlightBytes: 0,
    returnBytes: TABLE_BYTES,
    limiters: 0,
    rollouts: 0,
  });
  const task: CoordinatorPeerTask = { way, memory, port: port2 };
  const peer = new PeerThread(PEER, task, [port2]);
  try {
    await peer.next();
    const asker = way === 'slots' ? makeSlotAsker(memory, port1) : makeMessageAsker(port1);
    const { nsPerOperation, checksum } = await playRounds(asker, count, load);
    const name = `${way === 'slots' ? 'coordinator channel' : 'MessagePort'}: ${count} at once`;
    const role = way === 'slots' ? 'subject' : 'alternative';
    return summarise({ name, role, nsPerOperation, checksum });
  } finally {
    if (way === 'slots') new CoordinatorControl(memory).tellStop();
    port1.close();
    await peer.end();
  }
}

function playRounds(asker: Asker, count: number, { rounds, warmup }: Load) {
  return new Promise<{ nsPerOperation: number[]; checksum: number }>((resolve) => {
    const nsPerOperation: number[] = [];
    let checksum = 0;
    let round = -warmup;
    let missing = 0;
    let startMs = 0;
    const start = () => {
      missing = count;
      startMs = performance.now();
      asker.askMany(count);
    };
    asker.onReply = (askId, targetIndex) => {
      checksum = fold(checksum, askId * 8 + targetIndex);
      missing -= 1;
      if (missing > 0) return;
      if (round >= 0) nsPerOperation.push(((performance.now() - startMs) * 1e6) / count);
      round += 1;
      // A turn of its own, so that this end parks before the next round begins.
      if (round < rounds) setImmediate(start);
      else resolve({ nsPerOperation, checksum });
    };
    start();
  });
}

function makeSlotAsker(memory: CoordinatorMemory, port: MessagePort): Asker {
  const end = new CoordinatorWorkerEnd(laneMemoryOf(memory, 0));
  const ask = createAskFields();
  const asker: Asker = {
    onReply: () => undefined,
    askMany(count) {
      for (let at = 0; at < count; at += 1) {
        ask.askId = at;
        ask.routeIndex = at;
        if (!end.ask(ask)) throw new Error('the ring to the coordinator is full');
      }
      end.flush();
    },
  };
  const handler = {
    onReply(reply: { readonly askId: number; readonly targetIndex: number }) {
      asker.onReply(reply.askId, reply.targetIndex);
      return true;
    },
  };
  port.on('message', () => end.drainReplies(handler));
  end.drainReplies(handler);
  return asker;
}

function makeMessageAsker(port: MessagePort): Asker {
  const asker: Asker = {
    onReply: () => undefined,
    askMany(count) {
      for (let at = 0; at < count; at += 1) {
        const ask: AskMessage = { askId: at, routeIndex: at };
        port.postMessage(ask);
      }
    },
  };
  port.on('message', (reply: { askId: number; targetIndex: number }) =>
    asker.onReply(reply.askId, reply.targetIndex),
  );
  return asker;
}
