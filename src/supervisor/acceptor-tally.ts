/**
 * What the threads of one acceptor have counted, one after the other.
 *
 * Thread: supervisor. Owns the last reading of the thread that runs, and the sums of those before
 * it: what only grows goes on when the next thread begins at 0.
 */
import type { AcceptorReading } from '../acceptor/acceptor-task.js';
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';

/** What the supervisor of the acceptor knows itself. */
export type PlaceFigures = Pick<
  AcceptorFigures,
  'osThreadId' | 'deaths' | 'lostConnections' | 'isResting'
>;

export class AcceptorTally {
  /** Of the thread that runs, when it was last asked; null: it was not. */
  reading: AcceptorReading | null = null;
  /** What the thread before it listened at, with what was counted there until it ended. */
  private closedListeners: AcceptorReading['listeners'] = [];
  private before: Pick<AcceptorReading, 'acceptor' | 'lanes'> | null = null;

  constructor(private readonly laneCount: number) {}

  /** While a thread starts, those of the one before, without its connections. */
  get listenerFigures(): AcceptorReading['listeners'] {
    const { closedListeners } = this;
    const open = this.reading?.listeners ?? [];
    if (open.length === 0) return closedListeners;
    return open.map((one) => withClosed(one, closedListeners));
  }

  figures(own: PlaceFigures, loads: Pick<AcceptorLoads, 'open' | 'inFlight'>): AcceptorFigures {
    const now = this.reading?.acceptor ?? NO_FIGURES;
    const before = this.before?.acceptor ?? NO_FIGURES;
    return {
      ...own,
      isServing: now.isServing,
      inFlight: loads.inFlight,
      connections: {
        open: loads.open,
        taken: now.connections.taken + before.connections.taken,
        refusedInAll: now.connections.refusedInAll + before.connections.refusedInAll,
        refusedOfAddress: now.connections.refusedOfAddress + before.connections.refusedOfAddress,
      },
      requests: now.requests + before.requests,
      movedRequests: now.movedRequests + before.movedRequests,
    };
  }

  /** By place in this acceptor. */
  get laneFigures(): LaneFigures[] {
    return Array.from({ length: this.laneCount }, (_, lane) => {
      const now = this.reading?.lanes[lane] ?? NO_LANE_FIGURES;
      const before = this.before?.lanes[lane] ?? NO_LANE_FIGURES;
      return {
        ...now,
        staleRecords: now.staleRecords + before.staleRecords,
        records: now.records + before.records,
        wakes: now.wakes + before.wakes,
      };
    });
  }

  /** The thread has ended. */
  onEnded(own: PlaceFigures, loads: Pick<AcceptorLoads, 'open' | 'inFlight'>): void {
    this.before = { acceptor: this.figures(own, loads), lanes: this.laneFigures };
    const closed = { openConnections: 0, http2Connections: 0, http2Streams: 0 };
    this.closedListeners = this.listenerFigures.map((one) => ({ ...one, ...closed }));
    this.reading = null;
  }
}

/** What was counted at the listener before, and now. */
function withClosed(now: ListenerFigures, closed: readonly ListenerFigures[]): ListenerFigures {
  const before = closed.find(({ name }) => name === now.name);
  if (before === undefined) return now;
  return {
    ...now,
    refusedConnections: before.refusedConnections + now.refusedConnections,
    turnedAway: sumByKind([...before.turnedAway, ...now.turnedAway]),
    mistakes: sumByKind([...before.mistakes, ...now.mistakes]),
    handshakes: sumByKind([...before.handshakes, ...now.handshakes]),
  };
}

type CountByKind = readonly (readonly [kind: string, count: number])[];

export function sumByKind(counts: CountByKind): CountByKind {
  const sums = new Map<string, number>();
  for (const [kind, count] of counts) sums.set(kind, (sums.get(kind) ?? 0) + count);
  return [...sums];
}

const NO_FIGURES: AcceptorFigures = {
  isServing: false,
  osThreadId: 0,
  inFlight: 0,
  connections: { open: 0, taken: 0, refusedInAll: 0, refusedOfAddress: 0 },
  requests: 0,
  movedRequests: 0,
  deaths: 0,
  lostConnections: 0,
  isResting: false,
};

const NO_LANE_FIGURES: LaneFigures = {
  isServed: false,
  inFlight: 0,
  staleRecords: 0,
  backlogBytes: 0,
  bodyBlocks: 0,
  requestBytes: 0,
  replyBytes: 0,
  records: 0,
  wakes: 0,
};
