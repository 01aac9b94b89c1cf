/**
 * What the supervisor gives an acceptor that has a thread of its own, and the messages between
 * both.
 *
 * Thread: acceptor. Everything survives a structured clone; doorbells are transferred. Orders are
 * carried out in the order in which they come. One that is an ask is answered once, by its number.
 */
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import type { LoadsMemory } from '../channel/acceptor/acceptor-loads.js';
import type { AcceptorNotice } from '../channel/acceptor/acceptor-notice.js';
import type { AddressMemory } from '../channel/acceptor/address-counts.js';
import type { CounterMemory } from '../channel/counter-block.js';
import type { LaneMemory } from '../channel/lane.js';
import type { Port } from '../channel/port.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { SharedConfig } from '../config/shared/shared-config.js';

/** What an acceptor begins with. */
export interface AcceptorTask {
  /** What it is called in the log. */
  readonly name: string;
  readonly config: SharedConfig;
  /** Lanes that may be attached to it. */
  readonly laneCount: number;
  /** Files that the process may have open: a thread that finds none left cannot read it. */
  readonly filesMax: number;
  readonly counters: CounterMemory;
  /** Beats, and what all acceptors have open and in flight. */
  readonly loads: LoadsMemory;
  /** Their connections by address; null: there is one acceptor. */
  readonly addresses: AddressMemory | null;
  /** Its place among all acceptors. */
  readonly acceptor: number;
  readonly acceptorCount: number;
  /** Threads of this place that came before it. */
  readonly incarnation: number;
  readonly notices: readonly AcceptorNotice[];
  readonly isDraining: boolean;
}

/** What an acceptor counts, at one moment. */
export interface AcceptorReading {
  readonly acceptor: AcceptorFigures;
  readonly lanes: readonly LaneFigures[];
  readonly listeners: readonly ListenerFigures[];
}

/** What an acceptor is asked, and with what it answers: by the name of the ask. */
export interface AcceptorAsks {
  /** Take connections at these listeners. */
  readonly startListeners: {
    readonly ask: readonly ListenerSettings[];
    readonly answer: AcceptorReading;
  };
  /** Bind what is new of these. */
  readonly prepareListeners: {
    readonly ask: readonly ListenerSettings[];
    readonly answer: AcceptorReading;
  };
  /** Go by this configuration and its listeners, which were prepared. */
  readonly adopt: { readonly ask: SharedConfig; readonly answer: AcceptorReading };
  /** The worker of this lane has ended; nothing of the lane's memory is used after the answer. */
  readonly detach: { readonly ask: number; readonly answer: null };
  /** For how many milliseconds; true: nothing is in flight, false: the time is over. */
  readonly whenEmpty: { readonly ask: number; readonly answer: boolean };
  readonly figures: { readonly ask: null; readonly answer: AcceptorReading };
  /** Close every connection, tell the workers, and write the log out. */
  readonly close: { readonly ask: null; readonly answer: null };
}

export type AskName = keyof AcceptorAsks;

/** From the supervisor. */
export type AcceptorOrder =
  | {
      readonly type: 'attach';
      readonly lane: number;
      readonly memory: LaneMemory;
      readonly doorbell: Port;
    }
  | { readonly type: 'suspend' | 'resume' | 'abandon'; readonly lane: number }
  | { readonly type: 'notice'; readonly notice: AcceptorNotice }
  | { readonly type: 'discardListeners' | 'drain' | 'stopListening' }
  | { readonly type: 'fault'; readonly fault: ThreadFault }
  | {
      readonly type: 'ask';
      readonly number: number;
      readonly name: AskName;
      readonly content: unknown;
    };

/** From the acceptor. */
export type AcceptorReport =
  | { readonly type: 'started'; readonly osThreadId: number }
  | { readonly type: 'answer'; readonly number: number; readonly answer: unknown }
  | {
      readonly type: 'refusal';
      readonly number: number;
      readonly reason: string;
      /** Users are to read the reason as it is. */
      readonly isStartupError: boolean;
    };
