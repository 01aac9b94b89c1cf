/**
 * Takes its share of what waits at sockets that several acceptors listen at.
 *
 * Thread: acceptor. Owns whether this thread looks at those sockets. The kernel gives a connection
 * to whoever comes first, and who has just taken one is awake and comes first again. So an acceptor
 * that has clearly more connections than another, or that cannot serve, leaves the queue to the
 * others: it stops polling, and what waits stays in the kernel. Invariants:
 *
 *     who leaves has called another one that takes part (channel/acceptor/acceptor-loads.ts)
 *     while others are busy with something else, one that leaves takes what waits, a little more
 *     each time: the oldest waits no longer than LOOK_MS, and all of it some times that
 *     when nobody connects no timer runs
 *
 * One that cannot serve takes nothing while another one serves.
 */
import type { Clock, Timer } from '../base/clock.js';
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';

/** Time between two looks at what others do, while this acceptor leaves the queues to them. */
const LOOK_MS = 5;
/** Looks in a row in which nobody has taken anything, after which all take part again. */
const QUIET_LOOKS_MAX = 20;
/** What is taken in one look when others have taken nothing for a long time. */
const CATCH_UP_MAX = 64;

/** A socket that others listen at, too. */
export interface SharedQueue {
  /** True: take what waits, one connection a turn; false: leave it there. */
  poll(isWanted: boolean): void;
}

export class SharedQueues {
  private readonly queues = new Set<SharedQueue>();
  /** null: this acceptor takes part. */
  private looks: Timer | null = null;
  private isAwaiting = false;
  private takenByOthers = 0;
  private quietLooks = 0;
  /** How many connections this look may still take. */
  private room = 0;
  /** In the next one, unless others go on. */
  private nextRoom = 1;
  private hasTaken = false;
  private readonly onTurn = (): void => this.endTurn();

  constructor(
    private readonly loads: AcceptorLoads,
    private readonly clock: Clock,
  ) {}

  /** It is polled now. */
  add(queue: SharedQueue): void {
    this.queues.add(queue);
    if (this.looks !== null) queue.poll(false);
  }

  /** To be called before it closes. */
  remove(queue: SharedQueue): void {
    this.queues.delete(queue);
    if (this.queues.size === 0) this.takePart();
  }

  /** A connection came from one of these, and is counted. */
  onTaken(): void {
    this.loads.onTaken();
    if (this.looks !== null) this.onTakenInLook();
    else if (this.queues.size > 0) this.reconsider();
  }

  /** It has taken a connection, or can no longer serve. */
  reconsider(): void {
    const { loads } = this;
    if (this.looks !== null || this.queues.size === 0 || !loads.tryLeave()) return;
    this.takenByOthers = loads.takenByOthers;
    this.quietLooks = 0;
    this.nextRoom = 1;
    this.looks = this.clock.every(LOOK_MS, () => this.look());
    this.poll(false);
    this.awaitCall();
  }

  /** A call that has come already, and is not known yet, is awaited again behind it. */
  private awaitCall(): void {
    if (this.isAwaiting) return;
    this.isAwaiting = true;
    this.loads.whenCalled(this.onCalled);
  }

  /** Another one has more by now. */
  private readonly onCalled = (): void => {
    this.isAwaiting = false;
    if (this.looks === null) return;
    if (this.loads.tryLeave()) this.awaitCall();
    else this.takePart();
  };

  private look(): void {
    const { loads } = this;
    if (!loads.tryLeave()) {
      this.takePart();
      return;
    }
    if (!loads.isServing) return;
    const { takenByOthers } = loads;
    const areBusy = takenByOthers === this.takenByOthers;
    this.takenByOthers = takenByOthers;
    this.quietLooks = areBusy ? this.quietLooks + 1 : 0;
    if (this.quietLooks > QUIET_LOOKS_MAX) {
      this.takePart();
      return;
    }
    if (!areBusy) this.nextRoom = 1;
    this.room = this.nextRoom;
    this.hasTaken = false;
    this.poll(true);
    this.clock.afterTurn(this.onTurn);
  }

  private onTakenInLook(): void {
    this.room -= 1;
    this.hasTaken = true;
    // Somebody connects, and others do not come to it.
    this.quietLooks = 0;
    if (this.room <= 0) this.poll(false);
  }

  /** Sockets give one connection a turn. */
  private endTurn(): void {
    if (this.looks === null) return;
    if (this.hasTaken && this.room > 0) {
      this.hasTaken = false;
      this.clock.afterTurn(this.onTurn);
      return;
    }
    this.poll(false);
    if (this.room <= 0) this.nextRoom = Math.min(2 * this.nextRoom, CATCH_UP_MAX);
  }

  private takePart(): void {
    this.loads.takePart();
    if (this.looks === null) return;
    this.looks.cancel();
    this.looks = null;
    this.poll(true);
  }

  private poll(isWanted: boolean): void {
    for (const queue of this.queues) queue.poll(isWanted);
  }
}
