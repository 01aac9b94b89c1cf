/**
 * A real coordinator thread and real asking threads, from the build in dist/.
 *
 * Races that it forces: asks of all lanes at once; sleeping and waking on both sides, since no
 * end polls; a coordinator that is ended in the middle of its work while asks keep coming.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { CoordinatorControl } from '../../src/channel/coordinator/coordinator-control.js';
import { laneMemoryOf } from '../../src/channel/coordinator/coordinator-memory.js';
import type {
  CoordinatorMail,
  CoordinatorMessage,
} from '../../src/channel/coordinator/coordinator-messages.js';
import { CoordinatorStatus } from '../../src/channel/coordinator/coordinator-status.js';
import { shareConfig } from '../../src/config/shared/share-config.js';
import { allocateCoordinatorMemory } from '../../src/coordinator/coordinator-setup.js';
import type { AskerData, AskerMessage } from '../support/coordinator-asker.js';
import { aCoordinatorConfig } from '../support/coordinator-rig.js';

const COORDINATOR = new URL('../../dist/src/coordinator/coordinator-thread.js', import.meta.url);
const ASKER = new URL('../../dist/test/support/coordinator-asker.js', import.meta.url);
const ASKERS = 4;

interface Total {
  admitted: number;
  answered: number;
}

class ThreadRig {
  readonly config = aCoordinatorConfig({
    workers: ASKERS,
    limiters: [{ limit: 100 }, { limit: 100, algorithm: 'tokenBucket', windowMs: 86_400_000 }],
  });
  readonly memory = allocateCoordinatorMemory(this.config);
  readonly control = new CoordinatorControl(this.memory);
  readonly status = new CoordinatorStatus(this.memory.status);
  readonly threads: Worker[] = [];
  /** Called whenever an asker heard something. */
  onProgress: () => void = () => {};
  private askers: Worker[] = [];
  /** By lane, what its last asker counted; it may be done before anybody waits for it. */
  private readonly totals: Promise<Total>[] = [];

  /** The port of each asker's end, and a coordinator that wakes through the others. */
  startCoordinator(): { coordinator: Worker; ports: MessagePort[] } {
    const channels = this.memory.lanes.map(() => new MessageChannel());
    const wakePorts = channels.map((channel) => channel.port1);
    const coordinator = new Worker(COORDINATOR, {
      workerData: {
        configs: [shareConfig(this.config)],
        memory: this.memory,
        storeMemory: null,
        wakePorts,
      },
      transferList: wakePorts,
    });
    this.threads.push(coordinator);
    return { coordinator, ports: channels.map((channel) => channel.port2) };
  }

  startAskers(ports: readonly MessagePort[], limiterIndex: number, askCount: number): void {
    this.askers = ports.map((wakePort, lane) =>
      this.startAsker(lane, { wakePort, limiterIndex, askCount }),
    );
  }

  startAsker(lane: number, wish: Omit<AskerData, 'memory' | 'inFlight'>): Worker {
    const data: AskerData = { ...wish, memory: laneMemoryOf(this.memory, lane), inFlight: 16 };
    const asker = new Worker(ASKER, { workerData: data, transferList: [wish.wakePort] });
    this.threads.push(asker);
    this.totals[lane] = new Promise((resolve, reject) => {
      asker.on('error', reject);
      asker.on('message', (message: AskerMessage) => {
        if (message.type === 'done') resolve(message);
        else this.onProgress();
      });
    });
    return asker;
  }

  /** Ends an asker in the middle of its work; another one begins on its lane. */
  async replaceAsker(coordinator: Worker, lane: number, askCount: number): Promise<void> {
    await this.askers[lane]?.terminate();
    this.control.replaceWorker(lane);
    const { port1, port2 } = new MessageChannel();
    const mail: CoordinatorMail = { type: 'wakePort', lane, port: port1 };
    coordinator.postMessage(mail, [port1]);
    this.control.tellMail();
    this.askers[lane] = this.startAsker(lane, { wakePort: port2, limiterIndex: 0, askCount });
  }

  /** Until this asker heard something. */
  async progressOf(lane: number): Promise<void> {
    await new Promise((resolve) => this.askers[lane]?.once('message', resolve));
  }

  /** What all askers counted that were not replaced. */
  async total(): Promise<Total> {
    const parts = await Promise.all(this.totals);
    const add = (sum: Total, part: Total) => ({
      admitted: sum.admitted + part.admitted,
      answered: sum.answered + part.answered,
    });
    return parts.reduce(add, { admitted: 0, answered: 0 });
  }

  wakeThrough(ports: readonly MessagePort[]): void {
    this.askers.forEach((asker, lane) => {
      const wakePort = ports[lane];
      if (wakePort !== undefined) asker.postMessage({ wakePort }, [wakePort]);
    });
  }
}

describe('coordinator threads', { timeout: 60_000 }, () => {
  let rig = new ThreadRig();

  afterEach(async () => {
    await Promise.all(rig.threads.map((thread) => thread.terminate()));
    rig = new ThreadRig();
  });

  for (const limiterIndex of [0, 1]) {
    const { algorithm } = rig.config.limiters[limiterIndex] ?? { algorithm: 'none' };
    it(`give four hammering threads exactly the limit together (${algorithm})`, async () => {
      const { coordinator, ports } = rig.startCoordinator();
      rig.startAskers(ports, limiterIndex, 5000);
      expect(await rig.total()).toEqual({ admitted: 100, answered: ASKERS * 5000 });
      const ended = new Promise((resolve) => coordinator.once('exit', resolve));
      rig.control.tellStop();
      expect(await ended).toBe(0);
      expect(rig.status.readCounts()).toMatchObject({ asks: ASKERS * 5000, admitted: 100 });
    });
  }

  it('say that they started, and beat while nobody asks', async () => {
    const { coordinator } = rig.startCoordinator();
    const first = await new Promise<CoordinatorMessage>((resolve) => {
      coordinator.once('message', resolve);
    });
    expect(first.type).toBe('started');
    const before = rig.status.beats();
    await expect.poll(() => rig.status.beats()).toBeGreaterThan(before);
  });

  it('serve the next worker of a lane when one was ended in the middle of its asks', async () => {
    const { coordinator, ports } = rig.startCoordinator();
    rig.startAskers(ports, 0, 3000);
    for (let count = 0; count < 3; count += 1) {
      await rig.progressOf(0);
      await rig.replaceAsker(coordinator, 0, 3000);
    }
    const total = await rig.total();
    expect(total.answered).toBe(ASKERS * 3000);
    expect(total.admitted).toBeLessThanOrEqual(100);
    expect(rig.status.generationOf(0)).toBe(4);
    expect(rig.status.readCounts().admitted).toBe(100);
  });

  it('answer every ask and admit no more, though the coordinator is ended again and again', async () => {
    let { coordinator, ports } = rig.startCoordinator();
    rig.startAskers(ports, 0, 5000);
    let progress = 0;
    let isRestarting = false;
    let restarts = 0;
    let lastRestart = Promise.resolve();
    const restart = async () => {
      isRestarting = true;
      await coordinator.terminate();
      restarts += 1;
      ({ coordinator, ports } = rig.startCoordinator());
      rig.wakeThrough(ports);
      isRestarting = false;
    };
    rig.onProgress = () => {
      progress += 1;
      if (progress % 100 === 0 && !isRestarting) lastRestart = restart();
    };
    const total = await rig.total();
    await lastRestart;
    expect(restarts).toBeGreaterThan(1);
    expect(total.answered).toBe(ASKERS * 5000);
    expect(total.admitted).toBeLessThanOrEqual(100);
    expect(total.admitted).toBeGreaterThan(0);
  });
});
