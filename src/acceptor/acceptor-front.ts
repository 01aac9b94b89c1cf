/**
 * What the rest of a gateway needs of its acceptor, wherever it runs: on the main thread
 * (gateway-front.ts), or in threads of its own (supervisor/acceptor-cells.ts).
 *
 * Thread: acceptor. Who calls is the main thread, which does not wait, unless a promise says so.
 */
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import type { AcceptorNotice } from '../channel/acceptor/acceptor-notice.js';
import type { CounterMemory } from '../channel/counter-block.js';
import type { LaneMemory } from '../channel/lane.js';
import type { Port } from '../channel/port.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { SharedConfig } from '../config/shared/shared-config.js';

/** Who looks after the threads that an acceptor has to do with. */
export interface FrontOwner {
  /** A thread of the acceptor has died. False: threads died too often, and the gateway gives up. */
  mayRestart(): boolean;
  /** All acceptors of several die again and again, and the gateway gives up. */
  onAllDying(): void;
  /** The acceptor of these lanes is another, or none for a while: each needs fresh memory. */
  onLanesLost(lanes: readonly number[]): void;
}

export interface AcceptorFront {
  /** Counter blocks of the acceptors, which outlive their threads. */
  readonly counters: readonly CounterMemory[];
  /** What the figures call the thread of each block. */
  readonly threadNames: readonly string[];

  /** Resolves when lanes can be attached and listeners opened. Rejects when a thread fails. */
  begin(owner: FrontOwner): Promise<void>;

  /** A worker serves this lane now, with fresh memory. It rings through the doorbell. */
  attachLane(lane: number, memory: LaneMemory, doorbell: Port): void;

  /** Nothing is heard of the lane's worker: no more requests go there. */
  suspendLane(lane: number): void;

  /** The worker is heard of again. */
  resumeLane(lane: number): void;

  /**
   * The lane's worker has ended for good: its requests run again elsewhere, or are answered.
   * Resolves when the acceptor reads and writes nothing of the lane's memory any more. Rejects when
   * that is not known.
   */
  detachLane(lane: number): Promise<void>;

  /** The lane's worker neither works nor ends: none of its requests may run again. */
  abandonLane(lane: number): void;

  /** Lanes that have a worker: one that is silent counts until it has ended, or is given up. */
  readonly attendedLanes: number;

  /** Some acceptor is there: while one is replaced, its workers wait for it. */
  readonly hasAcceptor: boolean;

  /**
   * Takes connections at these listeners from now on.
   *
   * @throws StartupError when an address cannot be had.
   */
  startListeners(listeners: readonly ListenerSettings[]): Promise<void>;

  /**
   * Binds what these listeners need beside those that are there; adopt() brings them into force,
   * and discardListeners() closes what was bound.
   *
   * @throws StartupError when an address cannot be had; then nothing has changed.
   */
  prepareListeners(listeners: readonly ListenerSettings[]): Promise<void>;

  discardListeners(): void;

  /** Those in force, in the order of the configuration. */
  listenerFigures(): readonly ListenerFigures[];

  /**
   * Requests that begin from now on do so under this configuration, and at its listeners, which
   * were prepared. Never rejects.
   */
  adopt(config: SharedConfig): Promise<void>;

  /** Every acceptor learns this, also one that starts later, before it opens a listener. */
  tell(notice: AcceptorNotice): void;

  /** Connections close behind their replies from now on; new ones are still taken. */
  beginDrain(): void;

  /** No new connections; those that are open finish what they have, and close behind it. */
  stopListening(): void;

  /** Resolves with true once nothing is in flight, or with false when the time is over. */
  whenEmpty(timeoutMs: number): Promise<boolean>;

  /** Closes every connection at once. Resolves when the workers can see what was cut off. */
  close(): Promise<void>;

  /** Makes the figures below those of this moment. Never rejects. */
  refresh(): Promise<void>;

  /** Requests in flight now. */
  readonly inFlight: number;

  laneFigures(): LaneFigures[];

  acceptorFigures(): AcceptorFigures[];
}
