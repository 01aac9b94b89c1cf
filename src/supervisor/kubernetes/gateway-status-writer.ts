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
import { getText } from '../discovery/http-get.js';
import type { KubeAccess } from '../discovery/kube-access.js';
import type { FollowerLog } from '../sources/release-follower.js';
import { mergedStatus } from './gateway-status-merge.js';

const LIMIT_MS = 10_000;
const RETRY_MS = 15_000;
/** After a conflict: the newer object is on its way here. */
const CONFLICT_MS = 1000;
/** Objects come and go. */
const WRITES_SPARE = 100;
const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1';

export interface GatewayWriterParts {
  readonly clock: Clock;
  access(): Promise<KubeAccess>;
  /** An object as the cluster has it now. */
  objectAt(kind: string, place: string): KubeJson | undefined;
  readonly log: FollowerLog;
}

interface StatusWrite {
  readonly path: string;
  readonly body: string;
  /** What is said, without times: the same for what would be written again. */
  readonly text: string;
}

export class GatewayStatusWriter {
  private readonly lastWrites = new Map<string, { readonly text: string; readonly atMs: number }>();
  private statuses: readonly ObjectStatus[] = [];
  private isWriting = false;
  private isWanted = false;
  private retry: Timer | null = null;
  private isTold = false;
  private readonly asking = new AbortController();

  constructor(private readonly parts: GatewayWriterParts) {}

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
    if (!this.isWriting && !this.asking.signal.aborted) void this.run();
  }

  stop(): void {
    this.retry?.cancel();
    this.asking.abort();
  }

  private async run(): Promise<void> {
    this.isWriting = true;
    let waitMs = 0;
    while (this.isWanted && !this.asking.signal.aborted) {
      this.isWanted = false;
      this.retry?.cancel();
      waitMs = 0;
      for (const write of this.writes()) {
        const again = await this.send(write);
        if (again > 0) waitMs = waitMs === 0 ? again : Math.min(waitMs, again);
      }
    }
    this.isWriting = false;
    if (waitMs === 0 || this.asking.signal.aborted) return;
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
  private async send({ path, body, text }: StatusWrite): Promise<number> {
    const { clock, log } = this.parts;
    const last = this.lastWrites.get(path);
    if (last?.text === text && clock.nowMs() - last.atMs < RETRY_MS) return RETRY_MS;
    try {
      const access = await this.parts.access();
      const { status } = await getText({
        ...access,
        ...{ url: access.url + path, method: 'PATCH', body, timeoutMs: LIMIT_MS },
        headers: { ...access.headers, 'content-type': 'application/merge-patch+json' },
        signal: this.asking.signal,
      });
      if (status === 409) return CONFLICT_MS;
      if (status >= 300 && status !== 404) throw new Error(`status ${status}`);
      if (status !== 404) this.lastWrites.set(path, { text, atMs: clock.nowMs() });
      this.isTold = false;
      return 0;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.isTold && !this.asking.signal.aborted) {
        log('warn', { path, reason }, 'what became of an object cannot be written to the cluster');
      }
      this.isTold = true;
      return RETRY_MS;
    }
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
    path: `${GATEWAY_API}${folder}/${kind}/${encodeURIComponent(String(name))}/status`,
    body: JSON.stringify({ metadata: { resourceVersion }, status: merged }),
    text: JSON.stringify(status),
  };
}
