/**
 * What the supervisor gives a worker thread, and the messages beside the rings.
 *
 * Thread: any (both ends). Everything survives a structured clone; the ports are transferred.
 */
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import type { CoordinatorLaneMemory } from '../channel/coordinator/coordinator-memory.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import type { LaneMemory } from '../channel/lane.js';
import type { PluginMemory } from '../channel/plugins/plugin-board.js';
import type { StoreAnswer, StoreAsk } from '../channel/plugins/plugin-messages.js';
import type { ProgramAnswer, ProgramAsk } from '../channel/plugins/program-calls.js';
import type { Port } from '../channel/port.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { SharedConfig } from '../config/shared/shared-config.js';

import type { MirrorSample } from './mirror/mirrors.js';

/** The one task of a worker thread: serve this lane until it is told to stop. */
export interface LaneTask {
  readonly lane: number;
  readonly config: SharedConfig;
  readonly memory: LaneMemory;
  /** To the supervisor. */
  readonly port: Port<LaneOrder, LaneReport>;
  /** To the acceptor, both ways: look at the lane. */
  readonly doorbell: Port;
  readonly coordinator: CoordinatorLaneMemory;
  /** The coordinator wakes the worker through this port. */
  readonly wakePort: Port;
  readonly counters: SharedArrayBuffer;
  /** Stored replies, of all workers. */
  readonly cache: CacheMemory;
  readonly plugins: PluginMemory;
  /** The lane had a worker before, which has died. */
  readonly isSuccessor: boolean;
  /** What requests come to while a configuration is on trial: one rollout. */
  readonly trial: SharedArrayBuffer;
  /** What a new worker must know about keys. */
  readonly notices: readonly IdentityNotice[];
  /** 64 random bits for hashing limiter keys; the same for every worker. */
  readonly hashKey: readonly [number, number];
}

/** From the supervisor. */
export type LaneOrder =
  | { readonly type: 'stop' }
  | { readonly type: 'identity'; readonly notice: IdentityNotice }
  | { readonly type: 'pluginStore'; readonly answer: StoreAnswer }
  | { readonly type: 'pluginCall'; readonly answer: ProgramAnswer }
  /** WebSockets end, with a Close of this code. */
  | { readonly type: 'closeTunnels'; readonly code: number; readonly reason: string }
  /** Discovery has lost targets: see channel/coordinator/target-slots.ts. */
  | { readonly type: 'targetsLeft' }
  | { readonly type: 'fault'; readonly fault: ThreadFault }
  /** Compile this configuration without using it, and answer `prepared` or `unprepared`. */
  | { readonly type: 'prepare'; readonly config: SharedConfig }
  /**
   * A prepared configuration is on trial: requests are counted for it and for the one in force. It
   * gets this many in a hundred of this worker's; 0: they are counted only.
   */
  | { readonly type: 'tryOut'; readonly epoch: number; readonly percent: number }
  /** The trial is over, and what was on trial does not come into force. */
  | { readonly type: 'takeBack' }
  /** The prepared configuration comes into force; answer `committed`. */
  | { readonly type: 'commit'; readonly epoch: number }
  /**
   * The acceptor is another: what is in flight is over, as if every client had left, and the lane
   * goes on in this memory. Answer `left` when nothing is read or written in the earlier one.
   */
  | { readonly type: 'lane'; readonly memory: LaneMemory; readonly doorbell: Port }
  /** The coordinator was started again and wakes the worker through this port. */
  | { readonly type: 'wakePort'; readonly port: Port };

/** From the worker. */
export type LaneReport =
  /** The worker begins to make its first configuration. */
  | { readonly type: 'begun'; readonly threadId: number }
  /** The lane's earlier memory is used no more by this thread. */
  | { readonly type: 'left'; readonly generation: number }
  | { readonly type: 'pluginStore'; readonly ask: StoreAsk }
  | { readonly type: 'pluginCall'; readonly ask: ProgramAsk }
  | { readonly type: 'identity'; readonly request: IdentityRequest }
  /** The reply to a copy differs from what the client got. */
  | { readonly type: 'mirrorSample'; readonly sample: MirrorSample }
  | {
      readonly type: 'ready';
      /** The operating system's id of the thread, by which its CPU time can be looked up. */
      readonly osThreadId: number;
      /** Node's id of the thread. */
      readonly threadId: number;
    }
  | { readonly type: 'prepared' | 'committed'; readonly epoch: number }
  | { readonly type: 'unprepared'; readonly epoch: number; readonly reason: string }
  /** No request runs under this epoch any more, and no grant of it is left. */
  | { readonly type: 'released'; readonly epoch: number };
