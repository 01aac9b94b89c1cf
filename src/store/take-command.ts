/**
 * The arguments of the script that takes units, and what its reply says.
 *
 * Thread: store. The script and the meaning of each number are in take-script.ts.
 */
import { defined } from '../base/assert.js';
import {
  TAKEN_DECIDED,
  TAKEN_RECOVERING,
  type TakeFields,
  type TakenFields,
} from '../channel/store/store-records.js';

/** Keys that one call of the script asks about: it holds up everybody else meanwhile. */
export const KEYS_PER_CALL_MAX = 64;

/** How long gateways have to say what they used, after the state in the store was lost. */
export const RECOVERY_MS = 2000;

const HEAD_REPLIES = 3;
const REPLIES_PER_KEY = 7;
const RECOVERING = 1;

/** What a connection knows of the server's state. */
export interface StateKnown {
  /** `run_id` of the server; '': unknown. */
  readonly run: string;
  /** Whether this gateway has ever seen a state: else an empty store is one that is new. */
  readonly hasSeenState: boolean;
  /** Names this gateway. */
  readonly nodeId: string;
}

/** Names of keys: `tag` decides which node of a Redis Cluster has them. */
export class StoreKeys {
  constructor(private readonly prefix: string) {}

  metaOf(tag: string): string {
    return `${this.prefix}{${tag}}:meta`;
  }

  limitOf({ digest, keyHashHigh, keyHashLow }: TakeFields, tag: string): string {
    const words = [...digest, keyHashHigh, keyHashLow];
    return `${this.prefix}{${tag}}:l:${words.map(hexOf).join('')}`;
  }

  get nodes(): string {
    return `${this.prefix}nodes`;
  }
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** The tag of a key in a Redis Cluster: there are 256, so that a batch goes to few nodes. */
export function tagOf({ digest, keyHashLow }: TakeFields): string {
  return ((defined(digest[0], 'a digest') ^ keyHashLow) & 0xff).toString(16);
}

/** Keys and arguments of one call. */
export function takeArguments(
  takes: readonly TakeFields[],
  keys: StoreKeys,
  { tag, known }: { readonly tag: string; readonly known: StateKnown },
): { readonly names: string[]; readonly values: (string | number)[] } {
  const names = [keys.metaOf(tag), ...takes.map((take) => keys.limitOf(take, tag))];
  const values = [
    known.run,
    RECOVERY_MS * 1000,
    known.hasSeenState ? 0 : 1,
    known.nodeId,
    ...takes.flatMap((take) => [
      ...[take.algorithm, take.needed, take.wanted, take.validUs, take.returned, take.declared],
      ...[take.limit, take.windowUs, take.unitsPerTake, take.unitsPerMs, take.unitsPerToken],
      ...[take.stamp, take.epoch, take.cost, take.toldStamp],
    ]),
  ];
  return { names, values };
}

/** What the script said. */
export interface TakeReply {
  readonly isRecovering: boolean;
  readonly epoch: number;
  /** Wall time of the store. */
  readonly timeUs: number;
  readonly taken: readonly TakenFields[];
}

/** Throws where the reply is no reply of the script. */
export function readTakeReply(reply: unknown, takes: readonly TakeFields[]): TakeReply {
  const isReply = Array.isArray(reply) && reply.every((one) => typeof one === 'number');
  if (!isReply || reply.length !== HEAD_REPLIES + takes.length * REPLIES_PER_KEY) {
    throw new Error('the store gave a reply of another kind');
  }
  const numbers = reply as number[];
  const at = (index: number): number => numbers[index] as number;
  const isRecovering = at(0) === RECOVERING;
  const epoch = at(1);
  const taken = takes.map(({ generation, serial }, place) => {
    const first = HEAD_REPLIES + place * REPLIES_PER_KEY;
    return {
      generation,
      serial,
      outcome: isRecovering ? TAKEN_RECOVERING : TAKEN_DECIDED,
      units: at(first),
      stamp: at(first + 1),
      left: at(first + 2),
      waitUs: at(first + 3),
      resetUs: at(first + 4),
      validUs: at(first + 5),
      used: at(first + 6),
      atUs: at(2),
      epoch,
    } satisfies TakenFields;
  });
  return { isRecovering, epoch, timeUs: at(2), taken };
}
