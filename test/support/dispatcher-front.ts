/** An acceptor of a test that has nothing but a dispatcher, as its supervisor sees it. */
import type { AcceptorFront } from '../../src/acceptor/acceptor-front.js';
import type { LaneDispatcher } from '../../src/acceptor/lane-dispatcher.js';
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../../src/channel/acceptor/acceptor-figures.js';
import type { LaneMemory } from '../../src/channel/lane.js';
import type { Port } from '../../src/channel/port.js';
import type { SharedConfig, SharedSettings } from '../../src/config/shared/shared-config.js';

export class DispatcherFront implements AcceptorFront {
  readonly counters = [];
  readonly threadNames = [];

  /** `onAdopted`: a configuration has come into force. */
  constructor(
    private readonly dispatcher: LaneDispatcher,
    private readonly onAdopted: (settings: SharedSettings) => void = () => {},
  ) {}

  begin(): Promise<void> {
    return Promise.resolve();
  }

  attachLane(lane: number, memory: LaneMemory, doorbell: Port): void {
    doorbell.on('message', () => this.dispatcher.onDoorbell());
    this.dispatcher.attach(lane, memory, doorbell);
  }

  suspendLane(lane: number): void {
    this.dispatcher.suspend(lane);
  }

  resumeLane(lane: number): void {
    this.dispatcher.resume(lane);
  }

  detachLane(lane: number): Promise<void> {
    this.dispatcher.detach(lane);
    return Promise.resolve();
  }

  abandonLane(lane: number): void {
    this.dispatcher.abandon(lane);
  }

  hasAcceptor = true;

  get attendedLanes(): number {
    return this.dispatcher.attendedLanes;
  }

  adopt({ settings }: SharedConfig): Promise<void> {
    this.onAdopted(settings);
    return Promise.resolve();
  }

  get inFlight(): number {
    return this.dispatcher.table.inFlight;
  }

  laneFigures(): LaneFigures[] {
    return this.dispatcher.figures();
  }

  acceptorFigures(): AcceptorFigures[] {
    return [];
  }

  // There are no clients.

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  startListeners(): Promise<void> {
    return Promise.resolve();
  }

  prepareListeners(): Promise<void> {
    return Promise.resolve();
  }

  discardListeners(): void {}

  listenerFigures(): ListenerFigures[] {
    return [];
  }

  tell(): void {}

  beginDrain(): void {}

  stopListening(): void {}

  whenEmpty(): Promise<boolean> {
    return Promise.resolve(true);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
