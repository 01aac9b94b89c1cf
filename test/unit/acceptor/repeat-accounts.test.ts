/** When workers are told what was given again, and what becomes of that where they have ended. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type RefusedClient,
  RepeatAccounts,
  type UncountedRefusal,
} from '../../../src/acceptor/repeat-accounts.js';
import { allocateLane, LaneEnd } from '../../../src/channel/lane.js';
import { REQUEST_REPEATS } from '../../../src/channel/records/record-kind.js';
import {
  NO_ID_NUMBER,
  REPEATS_MAX,
  RepeatBatch,
  repeatCount,
  repeatHeadNumber,
} from '../../../src/channel/records/repeat-records.js';
import { FakeClock } from '../../support/fake-clock.js';

const TELL_MS = 5;
const CLIENT: RefusedClient = {
  ...{ method: 'GET', target: '/few', clientIp: '192.0.2.7', protocol: 11 },
  route: { index: 2, name: 'few' },
};

/** A lane, both ends. */
class PlayedLane {
  private readonly memory = allocateLane(1 << 16);
  end: LaneEnd | null = new LaneEnd(this.memory, 'acceptor', { postMessage: () => {} });
  readonly isSuspended = false;
  readonly repeats = new RepeatBatch();
  readonly worker = new LaneEnd(this.memory, 'worker', { postMessage: () => {} });

  /** Numbers of the heads that the worker finds, by record. */
  read(): number[][] {
    const found: number[][] = [];
    const { consumer } = this.worker;
    this.worker.drain({
      onRecord: (kind) => {
        expect(kind).toBe(REQUEST_REPEATS);
        const places = Array.from({ length: repeatCount(consumer) }, (_, place) => place);
        found.push(places.map((place) => repeatHeadNumber(consumer, place)));
      },
    });
    return found;
  }
}

let clock: FakeClock;
let lanes: [PlayedLane, PlayedLane];
let accounts: RepeatAccounts;
let uncounted: UncountedRefusal[];

beforeEach(() => {
  clock = new FakeClock();
  lanes = [new PlayedLane(), new PlayedLane()];
  const refusals = {
    idPrefix: 'acceptor',
    clientOf: (headNumber: number) => (headNumber < 10 ? CLIENT : null),
  };
  accounts = new RepeatAccounts(lanes, refusals, clock, () => {
    for (const { end } of lanes) end?.publish();
  });
  uncounted = [];
  accounts.onUncounted = (refusal) => uncounted.push(refusal);
});

function repeat(lane: PlayedLane, headNumber: number, idNumber = headNumber): void {
  lane.repeats.add(headNumber, 0.5, idNumber);
  accounts.onRepeat(lane);
}

function uncountedOf(headNumber: number): UncountedRefusal {
  const requestId = `acceptor-${headNumber.toString(16).padStart(8, '0')}`;
  return { client: CLIENT, durationMs: 0.5, requestId };
}

describe('a worker', () => {
  it('is told some milliseconds later, each of its own, by one timer', () => {
    repeat(lanes[0], 1);
    repeat(lanes[1], 2);
    repeat(lanes[0], 3);
    expect(clock.timerCount).toBe(1);
    clock.advance(TELL_MS - 1);
    expect(lanes.map((lane) => lane.read())).toEqual([[], []]);
    clock.advance(1);
    expect(lanes.map((lane) => lane.read())).toEqual([[[1, 3]], [[2]]]);
    expect([clock.timerCount, uncounted]).toEqual([0, []]);
    repeat(lanes[0], 4);
    clock.advance(TELL_MS);
    expect(lanes[0].read()).toEqual([[4]]);
  });

  it('is told at once when there is as much as one record takes', () => {
    for (let at = 1; at < REPEATS_MAX; at += 1) repeat(lanes[0], at);
    expect(lanes[0].read()).toEqual([]);
    repeat(lanes[0], REPEATS_MAX);
    const [told = []] = lanes[0].read();
    expect([told.length, told.at(-1)]).toEqual([REPEATS_MAX, REPEATS_MAX]);
    repeat(lanes[0], 65);
    accounts.flush();
    expect(lanes[0].read()).toEqual([[65]]);
  });

  it('is told before it gets another head', () => {
    repeat(lanes[0], 1);
    repeat(lanes[1], 2);
    accounts.beforeHead(lanes[0]);
    accounts.beforeHead(lanes[0]);
    for (const { end } of lanes) end?.publish();
    expect(lanes.map((lane) => lane.read())).toEqual([[[1]], []]);
  });
});

describe('a worker that has ended', () => {
  it('has counted what it had begun to read; the rest is told here', () => {
    const [lane] = lanes;
    const { producer } = lane.end as LaneEnd;
    repeat(lane, 1);
    accounts.flush();
    expect(lane.read()).toEqual([[1]]);
    repeat(lane, 2);
    accounts.flush();
    repeat(lane, 3);
    repeat(lane, 10);
    repeat(lane, 4, NO_ID_NUMBER);
    lane.end = null;
    accounts.onLaneLost(lane, producer);
    expect(uncounted).toEqual([
      uncountedOf(2),
      uncountedOf(3),
      { ...uncountedOf(10), client: null },
      { ...uncountedOf(4), requestId: '' },
    ]);
    clock.advance(TELL_MS);
    expect(uncounted).toHaveLength(4);
  });

  it('and about which that comes out late: what would have been told is told here', () => {
    const [lane] = lanes;
    lane.end = null;
    repeat(lane, 1);
    clock.advance(TELL_MS);
    expect(uncounted).toEqual([uncountedOf(1)]);
  });

  it('neither works nor ends: what it was told waits for its end', () => {
    const [lane] = lanes;
    const { producer } = lane.end as LaneEnd;
    repeat(lane, 1);
    accounts.flush();
    repeat(lane, 2);
    lane.end = null;
    accounts.onAbandoned(lane);
    expect(uncounted).toEqual([uncountedOf(2)]);
    accounts.onLaneLost(lane, producer);
    expect(uncounted).toEqual([uncountedOf(2), uncountedOf(1)]);
  });
});
