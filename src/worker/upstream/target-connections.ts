/**
 * The connections of one worker, by target, from one configuration to the next.
 *
 * Thread: worker. A target that stays keeps its connections. One whose way to connect changes gets
 * new ones, and the old ones end with the exchanges that use them. One that goes keeps them until
 * nobody may ask for it any more.
 *
 * Where targets come from discovery (channel/coordinator/target-slots.ts) a row is looked at before
 * every try: another owner gets connections of its own, and those of the last one end.
 */
import { defined } from '../../base/assert.js';
import { byRow } from '../../base/rows.js';
import {
  ownerOf,
  phaseOf,
  SLOT_USED,
  type SlotTarget,
  type TargetSlotView,
} from '../../channel/coordinator/target-slots.js';
import type {
  CompiledTarget,
  CompiledUpstream,
  GatewaySettings,
} from '../../config/compiled-config.js';
import { targetInSlot } from '../../config/shared/slot-target.js';
import type { ConnectionParts, ConnectTarget } from './upstream-connections.js';
import type { UpstreamConnections } from './upstream-transport.js';

interface Kept {
  readonly target: CompiledTarget;
  readonly upstream: CompiledUpstream;
  readonly connections: UpstreamConnections;
  readonly wayToConnect: string;
  /** What of the gateway's own identity they depend on; empty: nothing. */
  readonly identity: string;
}

/** A row whose target discovery says. */
interface Slot {
  /** As the configuration has the row. */
  readonly row: CompiledTarget;
  readonly upstream: CompiledUpstream;
  readonly wayToConnect: string;
  /** Of whom the connections are; -1: there are none. */
  owner: number;
}

const NO_OWNER = -1;

export interface TargetConnectionsParts {
  readonly connection: ConnectionParts;
  readonly connect: ConnectTarget;
  readonly slots: TargetSlotView;
  /** A row has a target that it did not have before. */
  onTarget(target: CompiledTarget): void;
}

export class TargetConnections {
  private readonly kept: (Kept | undefined)[] = [];
  private readonly slots: (Slot | undefined)[] = [];

  constructor(private readonly parts: TargetConnectionsParts) {}

  /** Connections to the targets of this configuration; others stay. */
  adopt(config: Pick<GatewaySettings, 'upstreams' | 'targets'>): void {
    const upstreams = byRow(config.upstreams);
    for (const target of config.targets) {
      const upstream = defined(upstreams[target.upstreamIndex], 'the upstream of a target');
      const wayToConnect = wayTo(target, upstream);
      if (target.isSlot) {
        this.adoptSlot(target, upstream, wayToConnect);
        continue;
      }
      this.slots[target.index] = undefined;
      const before = this.kept[target.index];
      if (before?.wayToConnect === wayToConnect) {
        // What it is told may change all the same.
        this.kept[target.index] = { ...before, target, upstream };
        continue;
      }
      this.kept[target.index] = this.open(target, upstream, wayToConnect);
      if (before !== undefined) void before.connections.close();
    }
  }

  private adoptSlot(row: CompiledTarget, upstream: CompiledUpstream, wayToConnect: string): void {
    const before = this.slots[row.index];
    const isSame = before?.wayToConnect === wayToConnect && before.row.keepsHost === row.keepsHost;
    if (isSame) return;
    this.slots[row.index] = { row, upstream, wayToConnect, owner: NO_OWNER };
    this.drop(row.index);
  }

  /** Ends the connections to targets that discovery has lost; what is in flight goes on. */
  dropLeft(): void {
    for (const slot of this.slots) {
      if (slot === undefined || slot.owner === NO_OWNER) continue;
      const stamp = this.parts.slots.stampOf(slot.row.index);
      if (phaseOf(stamp) === SLOT_USED && ownerOf(stamp) === slot.owner) continue;
      slot.owner = NO_OWNER;
      void this.kept[slot.row.index]?.connections.close();
    }
  }

  /**
   * The gateway has another identity, or believes other authorities: connections that were made by
   * the last ones end with what is in flight on them.
   */
  renewIdentity(): void {
    for (const [row, kept] of this.kept.entries()) {
      if (kept === undefined || this.identityFor(kept.target, kept.upstream) === kept.identity) {
        continue;
      }
      this.kept[row] = this.open(kept.target, kept.upstream, kept.wayToConnect);
      void kept.connections.close();
    }
  }

  private open(target: CompiledTarget, upstream: CompiledUpstream, wayToConnect: string): Kept {
    const connections = this.parts.connect(target, upstream, this.parts.connection);
    const identity = this.identityFor(target, upstream);
    return { target, upstream, connections, wayToConnect, identity };
  }

  private identityFor({ tlsPlace }: CompiledTarget, { tls }: CompiledUpstream): string {
    const spiffe = tls[tlsPlace]?.spiffe ?? null;
    return spiffe === null ? '' : this.parts.connection.workload.stampFor(spiffe);
  }

  private drop(targetIndex: number): void {
    const kept = this.kept[targetIndex];
    this.kept[targetIndex] = undefined;
    if (kept !== undefined) void kept.connections.close();
  }

  /** The row may have another owner than the connections. */
  private renew(slot: Slot): void {
    const { row, upstream, wayToConnect } = slot;
    const owner = ownerOf(this.parts.slots.stampOf(row.index));
    if (owner === slot.owner) return;
    const found = this.parts.slots.read(row.index);
    // Nobody is in the row: a try that comes too late goes where the last owner was.
    if (found === null && this.kept[row.index] !== undefined) return;
    const target = targetInSlot(row, found ?? NOWHERE);
    this.drop(row.index);
    this.kept[row.index] = this.open(target, upstream, wayToConnect);
    slot.owner = owner;
    this.parts.onTarget(target);
  }

  // Hot path (bench/gateway/plain-get): once for every try.
  of(targetIndex: number): UpstreamConnections {
    const slot = this.slots[targetIndex];
    if (slot !== undefined) this.renew(slot);
    return defined(this.kept[targetIndex], 'connections to the target').connections;
  }

  /** The target, as the configuration that came last has it. */
  targetOf(targetIndex: number): CompiledTarget {
    return defined(this.kept[targetIndex], 'connections to the target').target;
  }

  /** Ends the connections to all other targets. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    for (const [targetIndex, kept] of this.kept.entries()) {
      if (targetIndexes.has(targetIndex)) continue;
      this.slots[targetIndex] = undefined;
      if (kept === undefined) continue;
      this.kept[targetIndex] = undefined;
      void kept.connections.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.kept.map((kept) => kept?.connections.close()));
  }
}

/** Where a try goes that was given a row in which nobody has ever been: it fails at once. */
const NOWHERE: SlotTarget = { host: '0.0.0.0', port: 0, name: '', weight: 1, isBackup: false };

/** Everything that a connection is made by. */
function wayTo(target: CompiledTarget, upstream: CompiledUpstream): string {
  const { timeouts, tls, replyHeadBytes, protocol, http2 } = upstream;
  const { origin, serverName, tlsPlace } = target;
  const { digest = '' } = tls[tlsPlace] ?? {};
  const way = [origin, serverName, digest, timeouts.connectMs, replyHeadBytes, protocol, http2];
  return JSON.stringify(way);
}
