/**
 * Writes what became of objects of the Gateway API into their status.
 *
 * Thread: supervisor (on the main thread). Every gateway writes the same, and only where something
 * else stands there: no leader is needed. An object that has changed meanwhile (409) is looked at
 * again. What others write back again and again is not fought over: the same text is written again
 * only after a while.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { type KubeJson, recordAt, textAt } from '../../config/kubernetes/kube-json.js';
import type { ObjectStatus } from '../../config/kubernetes-settings.js';
import {
  ClusterRequests,
  type ClusterRequestsParts,
  type ClusterWrite,
  WRITE_RETRY_MS,
} from './cluster-requests.js';
import { mergedStatus } from './gateway-status-merge.js';

/** After a conflict: the newer object is on its way here. */
const CONFLICT_MS = 1000;
/** Objects come and go. */
const WRITES_SPARE = 100;
const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1';

export interface GatewayWriterParts extends ClusterRequestsParts {
  readonly clock: Clock;
  /** An object as the cluster has it now. */
  objectAt(kind: string, place: string): KubeJson | undefined;
}

interface StatusWrite extends ClusterWrite {
  /** What is said, without times: the same for what would be written again. */
  readonly text: string;
}

export class GatewayStatusWriter {
  private readonly lastWrites = new Map<string, { readonly text: string; readonly atMs: number }>();
  private statuses: readonly ObjectStatus[] = [];
  private isWriting = false;
  private isWanted = false;
  private retry: Timer | null = null;
  private readonly requests: ClusterRequests;

  constructor(private readonly parts: GatewayWriterParts) {
    this.requests = new ClusterRequests(parts);
  }

  /** These are to stand there from now on. */
  write(statuses: readonly ObjectStatus[]): void {
    this.statuses = statuses;
    // Those of objects that are gone.
    if (this.lastWrites.size > 2 * statuses.length + WRITES_SPARE) this.lastWrites.clear();
    this.look();
  }

  /** Something in the cluster may be otherwise than before. */
  look(): void {
    this.isWanted = true;
    if (!this.isWriting && !this.requests.isStopped) void this.run();
  }

  stop(): void {
    this.retry?.cancel();
    this.requests.stop();
  }

  private async run(): Promise<void> {
    this.isWriting = true;
    let waitMs = 0;
    while (this.isWanted && !this.requests.isStopped) {
      this.isWanted = false;
      this.retry?.cancel();
      waitMs = 0;
      for (const write of this.writes()) {
        const again = await this.send(write);
        if (again > 0) waitMs = waitMs === 0 ? again : Math.min(waitMs, again);
      }
      if (waitMs === 0) this.requests.onAllWritten();
    }
    this.isWriting = false;
    if (waitMs === 0 || this.requests.isStopped) return;
    this.retry = this.parts.clock.after(waitMs, () => this.look());
  }

  private *writes(): Generator<StatusWrite> {
    const { objectAt, clock } = this.parts;
    const now = `${new Date(clock.unixMs()).toISOString().slice(0, 19)}Z`;
    for (const status of this.statuses) {
      const place = `${status.namespace}/${status.name}`;
      const object = objectAt(status.kind, place);
      if (object === undefined || !isMeant(status, object)) continue;
      const merged = mergedStatus(status, object, now);
      if (merged !== null) yield writeOf(status, object, merged);
    }
  }

  /** 0: it is done, or will come by itself; else when it has to be tried again. */
  private async send(write: StatusWrite): Promise<number> {
    const { path, text } = write;
    const nowMs = this.parts.clock.nowMs();
    const last = this.lastWrites.get(path);
    if (last?.text === text && nowMs - last.atMs < WRITE_RETRY_MS) return WRITE_RETRY_MS;
    const outcome = await this.requests.send(write);
    if (outcome === 'failed') return WRITE_RETRY_MS;
    if (outcome === 'conflict') return CONFLICT_MS;
    if (outcome === 'done') this.lastWrites.set(path, { text, atMs: this.parts.clock.nowMs() });
    return 0;
  }
}

/** Of the very version that was looked at: a newer one will be looked at as well. */
function isMeant({ uid, generation }: ObjectStatus, object: KubeJson): boolean {
  const metadata = recordAt(object, 'metadata');
  return textAt(metadata, 'uid') === uid && (metadata['generation'] ?? 0) === generation;
}

function writeOf({ kind, status }: ObjectStatus, object: KubeJson, merged: KubeJson): StatusWrite {
  const { namespace, name, resourceVersion } = recordAt(object, 'metadata');
  const folder =
    namespace === undefined ? '' : `/namespaces/${encodeURIComponent(String(namespace))}`;
  return {
    method: 'PATCH',
    path: `${GATEWAY_API}${folder}/${kind}/${encodeURIComponent(String(name))}/status`,
    body: JSON.stringify({ metadata: { resourceVersion }, status: merged }),
    text: JSON.stringify(status),
  };
}
