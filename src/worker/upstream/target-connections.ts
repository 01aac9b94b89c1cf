/**
 * The connections of one worker, by target, from one configuration to the next.
 *
 * Thread: worker. A target that stays keeps its connections. One whose way to connect changes gets
 * new ones, and the old ones end with the exchanges that use them. One that goes keeps them until
 * nobody may ask for it any more.
 */
import { defined } from '../../base/assert.js';
import { byRow } from '../../base/rows.js';
import type {
  CompiledTarget,
  CompiledUpstream,
  GatewaySettings,
} from '../../config/compiled-config.js';
import type { ConnectionParts, ConnectTarget } from './upstream-connections.js';
import type { UpstreamConnections } from './upstream-transport.js';

interface Kept {
  readonly target: CompiledTarget;
  readonly connections: UpstreamConnections;
  readonly wayToConnect: string;
}

export class TargetConnections {
  private readonly kept: (Kept | undefined)[] = [];

  constructor(
    private readonly parts: ConnectionParts,
    private readonly connect: ConnectTarget,
  ) {}

  /** Connections to the targets of this configuration; others stay. */
  adopt(config: GatewaySettings): void {
    const upstreams = byRow(config.upstreams);
    for (const target of config.targets) {
      const upstream = defined(upstreams[target.upstreamIndex], 'the upstream of a target');
      const wayToConnect = wayTo(target, upstream);
      const before = this.kept[target.index];
      if (before?.wayToConnect === wayToConnect) {
        // What it is told may change all the same.
        this.kept[target.index] = { ...before, target };
        continue;
      }
      const connections = this.connect(target, upstream, this.parts);
      this.kept[target.index] = { target, connections, wayToConnect };
      if (before !== undefined) void before.connections.close();
    }
  }

  // Hot path (bench/gateway/plain-get): once for every try.
  of(targetIndex: number): UpstreamConnections {
    return defined(this.kept[targetIndex], 'connections to the target').connections;
  }

  /** The target, as the configuration that came last has it. */
  targetOf(targetIndex: number): CompiledTarget {
    return defined(this.kept[targetIndex], 'connections to the target').target;
  }

  /** Ends the connections to all other targets. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    for (const [targetIndex, kept] of this.kept.entries()) {
      if (kept === undefined || targetIndexes.has(targetIndex)) continue;
      this.kept[targetIndex] = undefined;
      void kept.connections.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.kept.map((kept) => kept?.connections.close()));
  }
}

/** Everything that a connection is made by. */
function wayTo(target: CompiledTarget, upstream: CompiledUpstream): string {
  const { timeouts, tls, replyHeadBytes, protocol, http2 } = upstream;
  const { origin, serverName, tlsPlace } = target;
  const { digest = '' } = tls[tlsPlace] ?? {};
  const way = [origin, serverName, digest, timeouts.connectMs, replyHeadBytes, protocol, http2];
  return JSON.stringify(way);
}
