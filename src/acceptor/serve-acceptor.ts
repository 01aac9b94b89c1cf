/**
 * Serves clients in a thread of its own: what an acceptor does with the orders of its supervisor.
 *
 * Thread: acceptor. A mistake that nobody caught ends the thread with all its connections, and the
 * supervisor starts another. What is asked is answered once, whatever comes of it.
 */
import type { Clock, Random } from '../base/clock.js';
import { DroppedMemory } from '../base/dropped-memory.js';
import { StartupError } from '../base/startup-error.js';
import { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import { AddressCounts } from '../channel/acceptor/address-counts.js';
import type { Port } from '../channel/port.js';
import { fail } from '../channel/thread-fault.js';
import { openConfig, type SharedConfig, sharedBytesOf } from '../config/shared/shared-config.js';
import type { ThreadLogger } from '../observability/logger.js';
import { watchQuietHeap } from '../observability/quiet-heap.js';
import type { EngineSource } from './acceptor.js';
import type {
  AcceptorAsks,
  AcceptorOrder,
  AcceptorReading,
  AcceptorReport,
  AcceptorTask,
  AskName,
} from './acceptor-task.js';
import { GatewayFront } from './gateway-front.js';

/** The thread of an acceptor. */
export interface AcceptorHost {
  readonly port: Port<AcceptorOrder, AcceptorReport>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ThreadLogger;
  readonly engines: EngineSource;
  /** The operating system's id of the thread. */
  readonly osThreadId: number;
}

type Answers = { [Name in AskName]: AcceptorAsks[Name]['answer'] };
type Asked = { [Name in AskName]: AcceptorAsks[Name]['ask'] };
type Answering = { [Name in AskName]: (content: Asked[Name]) => Promise<Answers[Name]> };

/** Serves from now on, until it is asked to close. */
export function serveAcceptor(task: AcceptorTask, host: AcceptorHost): void {
  const acceptor = new ServedAcceptor(task, host);
  const { port, osThreadId } = host;
  port.on('message', (order) => acceptor.onOrder(order));
  port.postMessage({ type: 'started', osThreadId });
}

class ServedAcceptor {
  private readonly front: GatewayFront;
  private served: ReturnType<typeof openConfig>;
  private readonly dropped = new DroppedMemory();
  private readonly answering: Answering;
  /** Changes of listeners come one after the other. */
  private lastChange: Promise<unknown> = Promise.resolve();

  constructor(
    task: AcceptorTask,
    private readonly host: AcceptorHost,
  ) {
    this.served = openConfig(task.config);
    const { clock, random, log, engines } = host;
    const { counters, laneCount, filesMax, acceptorCount, incarnation } = task;
    const loads = new AcceptorLoads(task.loads, task.acceptor);
    const addresses =
      task.addresses === null ? null : new AddressCounts(task.addresses, task.acceptor);
    this.front = new GatewayFront({
      ...{ clock, random, log, engines, counters, laneCount, filesMax },
      config: task.config.settings,
      servedConfig: () => this.served,
      cell: { loads, addresses, acceptorCount, incarnation },
    });
    watchQuietHeap(clock);
    for (const notice of task.notices) this.front.tell(notice);
    if (task.isDraining) this.front.beginDrain();
    this.answering = {
      startListeners: (listeners) => this.change(() => this.front.startListeners(listeners)),
      prepareListeners: (listeners) => this.change(() => this.front.prepareListeners(listeners)),
      adopt: (config) => this.change(() => this.adopt(config)),
      detach: (lane) => this.detach(lane),
      whenEmpty: (timeoutMs) => this.front.whenEmpty(timeoutMs),
      figures: () => Promise.resolve(this.reading()),
      close: () => this.close(),
    };
  }

  onOrder(order: AcceptorOrder): void {
    const { front } = this;
    switch (order.type) {
      case 'attach':
        front.attachLane(order.lane, order.memory, order.doorbell);
        break;
      case 'suspend':
        front.suspendLane(order.lane);
        break;
      case 'resume':
        front.resumeLane(order.lane);
        break;
      case 'abandon':
        front.abandonLane(order.lane);
        break;
      case 'notice':
        front.tell(order.notice);
        break;
      case 'discardListeners':
        // Behind what may still be prepared.
        void this.change(async () => front.discardListeners());
        break;
      case 'drain':
        front.beginDrain();
        break;
      case 'stopListening':
        front.stopListening();
        break;
      case 'fault':
        fail(order.fault);
        break;
      default:
        void this.answer(order.number, order.name, order.content);
    }
  }

  private async answer<Name extends AskName>(
    number: number,
    name: Name,
    content: unknown,
  ): Promise<void> {
    const { port } = this.host;
    try {
      const answer = await this.answering[name](content as Asked[Name]);
      port.postMessage({ type: 'answer', number, answer });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const isStartupError = error instanceof StartupError;
      port.postMessage({ type: 'refusal', number, reason, isStartupError });
    }
  }

  private change(step: () => Promise<void>): Promise<AcceptorReading> {
    const changed = this.lastChange.then(step);
    this.lastChange = changed.catch(() => {});
    return changed.then(() => this.reading());
  }

  private adopt(config: SharedConfig): Promise<void> {
    this.served = openConfig(config);
    this.dropped.replacedBy(sharedBytesOf(config));
    return this.front.adopt(config);
  }

  private async detach(lane: number): Promise<null> {
    await this.front.detachLane(lane);
    return null;
  }

  private async close(): Promise<null> {
    await this.front.close();
    await this.host.log.end();
    return null;
  }

  private reading(): AcceptorReading {
    const { front } = this;
    return {
      acceptor: front.ownFigures(),
      lanes: front.laneFigures(),
      listeners: front.listenerFigures(),
    };
  }
}
