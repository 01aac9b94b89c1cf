/** Which requests get a refusal again, what of it is new, and when it holds no more. */
import { beforeEach, describe, expect, it } from 'vitest';
import type {
  ClientListener,
  ClientRequest,
  ClientSocket,
  ReplyHead,
} from '../../../src/acceptor/client-engine.js';
import { RefusalRepeater } from '../../../src/acceptor/refusal-repeater.js';
import { RequestIdSource } from '../../../src/base/request-id.js';
import { allocateLane, LaneEnd } from '../../../src/channel/lane.js';
import { FLAG_END } from '../../../src/channel/records/record-kind.js';
import {
  NO_ID_NUMBER,
  type RefusalHold,
  type Repeat,
  RepeatBatch,
} from '../../../src/channel/records/repeat-records.js';

const ID = '0123456789ab-00000011';
const OWN_PREFIX = 'ba9876543210';
const UNTIL_MS = 120;
const HOLD: RefusalHold = {
  ...{ headNumber: 7, untilMs: UNTIL_MS, round: 3, hasNewId: true },
  ...{ route: { index: 2, name: 'few' }, clientIp: '198.51.100.1' },
};
const REQUEST = {
  ...{ headNumber: 7, receivedMs: 100, method: 'GET', target: '/few', peer: '192.0.2.7' },
  ...{ protocol: 11, mustClose: false },
} as ClientRequest;

function fieldsOf(time: string): string {
  return `\r\nContent-Type: text/plain\r\nRetry-After: 9\r\nX-Response-Time: ${time}s`;
}

function headOf(more: Partial<ReplyHead> = {}, text = ID + fieldsOf('0.004')): ReplyHead {
  const inlineBody = Buffer.from(`refused, ${ID}`);
  return {
    ...{ status: 429, phrase: '', flags: FLAG_END, bodyBytes: inlineBody.length },
    ...{ idBytes: ID.length, text: Buffer.from(text, 'latin1'), inlineBody, ...more },
  };
}

function newEnd(round = HOLD.round): LaneEnd {
  const end = new LaneEnd(allocateLane(1 << 16), 'acceptor', { postMessage: () => {} });
  end.status.setRefusalRound(round);
  return end;
}

/** A lane whose worker refuses, and a client that asks. */
class Rig {
  readonly repeater = new RefusalRepeater();
  readonly lane = {
    end: newEnd() as LaneEnd | null,
    isSuspended: false,
    repeats: new RepeatBatch(),
  };
  readonly sent: string[] = [];
  readonly errors: unknown[] = [];
  isDraining = false;
  isAborted = false;
  /** Lanes on which repeats are to be told. */
  readonly lanes: unknown[] = [];
  prefix = OWN_PREFIX;
  /** What the connection throws as it gets a reply. */
  failure: Error | null = null;

  ask(more: Partial<ClientRequest> = {}): boolean {
    let listener: ClientListener | null = null;
    const socket = {
      attach: (one: ClientListener) => {
        listener = one;
      },
      sendHead: ({ text, inlineBody }: ReplyHead, closing: string) => {
        expect(listener).toMatchObject({ isConversation: false });
        if (this.failure !== null) throw this.failure;
        const [head, body] = [text, inlineBody].map((bytes) => Buffer.from(bytes).toString());
        this.sent.push(`${closing}|${head}|${body}`);
      },
      abort: () => {
        this.isAborted = true;
      },
    };
    return this.repeater.tryRepeat({ ...REQUEST, ...more }, socket as never as ClientSocket, {
      clock: { nowMs: () => 100.5 },
      requestIds: this.ids,
      isDraining: this.isDraining,
      dispatcher: { repeats: { onRepeat: (lane) => void this.lanes.push(lane) } },
      onError: (error) => this.errors.push(error),
    });
  }

  private known: RequestIdSource | null = null;
  private get ids(): RequestIdSource {
    this.known ??= new RequestIdSource(this.prefix);
    return this.known;
  }

  /** What the worker is to count. */
  told(): Repeat[] {
    const told: Repeat[] = [];
    this.lane.repeats.drain((repeat) => told.push(repeat));
    return told;
  }
}

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});

describe('a refusal that is kept', () => {
  it('goes out again with another id, as if it had taken no time', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    expect([rig.ask(), rig.ask()]).toEqual([true, true]);
    expect(rig.sent).toEqual(
      [1, 2].map((number) => {
        const id = `${OWN_PREFIX}-0000000${number}`;
        return `none|${id}${fieldsOf('0.000')}|refused, ${id}`;
      }),
    );
    expect(rig.told()).toEqual(
      [1, 2].map((idNumber) => ({ headNumber: 7, durationMs: 0.5, idNumber })),
    );
    expect([rig.lanes, rig.repeater.idPrefix]).toEqual([[rig.lane, rig.lane], OWN_PREFIX]);
  });

  it('has the id of its client where the client may choose', () => {
    rig.repeater.keep(rig.lane, { ...HOLD, hasNewId: false }, headOf());
    expect(rig.ask()).toBe(true);
    expect(rig.sent).toEqual([`none|${ID}${fieldsOf('0.000')}|refused, ${ID}`]);
    expect(rig.told()).toMatchObject([{ idNumber: NO_ID_NUMBER }]);
  });

  it('says of the connection what a reply to this request says', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    rig.ask({ mustClose: true });
    rig.isDraining = true;
    rig.ask();
    rig.ask({ mustClose: true });
    expect(rig.sent.map((text) => text.split('|')[0])).toEqual(['deaf', 'announced', 'deaf']);
  });

  it('is for no other head', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    for (const headNumber of [0, 6, 8, 7 + 1024]) expect(rig.ask({ headNumber })).toBe(false);
    expect(rig.ask()).toBe(true);
  });

  it('holds before its end, and not at it', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    expect(rig.ask({ receivedMs: UNTIL_MS - 0.001 })).toBe(true);
    expect(rig.ask({ receivedMs: UNTIL_MS })).toBe(false);
  });

  it.each<[string, (rig: Rig) => void]>([
    ['has gone on to another round', ({ lane }) => lane.end?.status.setRefusalRound(4)],
    ['hangs', ({ lane }) => Object.assign(lane, { isSuspended: true })],
    ['has ended', ({ lane }) => Object.assign(lane, { end: null })],
    ['is another', ({ lane }) => Object.assign(lane, { end: newEnd() })],
    [
      'has ended, and has counted all',
      ({ lane, repeater }) => repeater.forget(lane.end as LaneEnd),
    ],
  ])('holds no more where its worker %s', (_, happen) => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    expect(rig.ask()).toBe(true);
    happen(rig);
    expect(rig.ask()).toBe(false);
    expect(rig.sent).toHaveLength(1);
  });

  it('is known for its count when it holds no more and its client has gone on', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    rig.ask();
    const known = rig.repeater.clientOf(7);
    expect(known).toMatchObject({ target: '/few', route: HOLD.route });
    rig.lane.isSuspended = true;
    rig.ask();
    expect(rig.repeater.clientOf(7)).toEqual(known);
    // Another worker refuses the same head.
    const other = { ...rig.lane, end: newEnd(), isSuspended: false };
    rig.repeater.keep(other, HOLD, headOf());
    expect(rig.repeater.clientOf(7)).toEqual(known);
    expect(rig.ask()).toBe(true);
    expect(rig.sent.at(-1)).toContain(OWN_PREFIX);
  });

  it('makes room for a newer one, and only of its own worker it is forgotten', () => {
    const [other, client] = [7 + 1024, { method: 'GET', target: '/few' }];
    rig.repeater.keep(rig.lane, HOLD, headOf());
    rig.ask();
    const known = { ...client, clientIp: HOLD.clientIp, protocol: 11, route: HOLD.route };
    expect(rig.repeater.clientOf(7)).toEqual(known);
    rig.repeater.forget(newEnd());
    expect(rig.repeater.clientOf(7)).toEqual(known);
    rig.repeater.keep(rig.lane, { ...HOLD, headNumber: other }, headOf());
    expect([rig.ask(), rig.ask({ headNumber: other })]).toEqual([false, true]);
    expect(rig.repeater.clientOf(7)).toBeNull();
  });

  it('is not counted where it could not be sent, and the connection ends', () => {
    rig.repeater.keep(rig.lane, HOLD, headOf());
    rig.failure = new Error('no');
    expect(rig.ask()).toBe(true);
    expect([rig.errors, rig.isAborted, rig.told()]).toEqual([[rig.failure], true, []]);
  });

  it('is not given where its ids have another length than those of this thread', () => {
    rig.prefix = `${OWN_PREFIX}0`;
    rig.repeater.keep(rig.lane, HOLD, headOf());
    expect(rig.ask()).toBe(false);
  });
});

describe('a refusal that is not kept', () => {
  const long = (bytes: number): Partial<ReplyHead> => ({ inlineBody: Buffer.alloc(bytes) });
  const textBytes = ID.length + fieldsOf('0.000').length;

  it.each<[string, ReplyHead, boolean]>([
    ['is as long as one may be', headOf(long(2048 - textBytes)), true],
    ['is longer', headOf(long(2049 - textBytes)), false],
    ['has another status', headOf({ status: 503 }), false],
    ['is not whole', headOf({ flags: 0 }), false],
    ['does not end with its time', headOf({}, `${ID}${fieldsOf('0.000')}\r\nX-Last: 1`), false],
    ['has its id in four places', headOf({ inlineBody: Buffer.from(ID.repeat(3)) }), true],
    ['has it in five', headOf({ inlineBody: Buffer.from(ID.repeat(4)) }), false],
  ])('or is: one that %s', (_, head, isKept) => {
    rig.repeater.keep(rig.lane, HOLD, head);
    expect(rig.ask()).toBe(isKept);
  });

  it('is one of a worker that has ended', () => {
    const { lane } = rig;
    lane.end = null;
    rig.repeater.keep(lane, HOLD, headOf());
    lane.end = newEnd();
    expect(rig.ask()).toBe(false);
  });
});
