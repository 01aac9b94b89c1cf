/**
 * Writes into the cluster what became of its objects: the status of an Ingress, and events.
 *
 * Thread: supervisor (on the main thread). Every gateway writes the same, and only where something
 * else stands there: no leader is needed. What cannot be written is tried again; routes do not
 * depend on it.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock, Timer } from '../../base/clock.js';
import { type KubeJson, listAt, recordAt } from '../../config/kubernetes/kube-json.js';
import type { IngressOutcome } from '../../config/kubernetes-settings.js';
import {
  ClusterRequests,
  type ClusterRequestsParts,
  type ClusterWrite,
  WRITE_RETRY_MS,
} from './cluster-requests.js';

const MESSAGE_CHARS_MAX = 1000;
const EVENTS_KNOWN_MAX = 5000;
const NAME_CHARS_MAX = 200;

export interface WriterParts extends ClusterRequestsParts {
  readonly clock: Clock;
  /** Empty: no status is written. */
  readonly publish: readonly string[];
}

/** Its key is the same for all that say the same of an object. */
interface EventWrite extends ClusterWrite {
  readonly key: string;
}

interface Wanted {
  readonly outcomes: readonly IngressOutcome[];
  objectAt(place: string): KubeJson | undefined;
}

export class ClusterWriter {
  private wanted: Wanted = { outcomes: [], objectAt: () => undefined };
  private readonly events = new Set<string>();
  private writing: Promise<void> = Promise.resolve();
  private retry: Timer | null = null;
  private readonly requests: ClusterRequests;

  constructor(private readonly parts: WriterParts) {
    this.requests = new ClusterRequests(parts);
  }

  /** `objectAt`: the object as the cluster has it now. */
  write(
    outcomes: readonly IngressOutcome[],
    objectAt: (place: string) => KubeJson | undefined,
  ): void {
    this.wanted = { outcomes, objectAt };
    this.writeWanted();
  }

  stop(): void {
    this.retry?.cancel();
    this.requests.stop();
  }

  /** What is wanted when it begins: one that waited may find newer outcomes. */
  private writeWanted(): void {
    this.retry?.cancel();
    this.writing = this.writing.then(async () => {
      const isDone = await this.writeAll(this.wanted);
      if (isDone) this.requests.onAllWritten();
      if (isDone || this.requests.isStopped) return;
      this.retry?.cancel();
      this.retry = this.parts.clock.after(WRITE_RETRY_MS, () => this.writeWanted());
    });
  }

  /** False: something has to be tried again. */
  private async writeAll({ outcomes, objectAt }: Wanted): Promise<boolean> {
    let isDone = true;
    for (const outcome of outcomes) {
      const object = objectAt(`${outcome.namespace}/${outcome.name}`);
      if (object === undefined) continue;
      const status = outcome.state === 'refused' ? null : this.statusOf(outcome, object);
      if (status !== null) isDone = (await this.send(status)) && isDone;
      const event = outcome.state === 'used' ? null : this.eventOf(outcome);
      if (event === null || this.events.has(event.key)) continue;
      if (await this.send(event)) this.know(event.key);
      else isDone = false;
    }
    return isDone;
  }

  /** null: it stands there already. */
  private statusOf({ namespace, name }: IngressOutcome, object: KubeJson): ClusterWrite | null {
    const { publish } = this.parts;
    if (publish.length === 0) return null;
    const ingress = publish.map((one) => (isIP(one) === 0 ? { hostname: one } : { ip: one }));
    const there = listAt(recordAt(recordAt(object, 'status'), 'loadBalancer'), 'ingress');
    const isSame =
      there.length === ingress.length &&
      ingress.every((one, at) =>
        Object.entries(one).every(([key, value]) => there[at]?.[key] === value),
      );
    if (isSame) return null;
    return {
      method: 'PATCH',
      path:
        `/apis/networking.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}` +
        `/ingresses/${encodeURIComponent(name)}/status`,
      body: JSON.stringify({ status: { loadBalancer: { ingress } } }),
    };
  }

  /** Its name follows from what it says: all gateways make the same one. */
  private eventOf({ namespace, name, uid, reasons, state }: IngressOutcome): EventWrite {
    const kept = state === 'before' ? 'The version before is served. ' : '';
    const message = (kept + reasons.join('; ')).slice(0, MESSAGE_CHARS_MAX);
    const hash = createHash('sha256').update(`${uid}\n${message}`).digest('hex').slice(0, 16);
    const atMs = this.parts.clock.unixMs();
    const at = `${new Date(atMs).toISOString().slice(0, 19)}Z`;
    const event = {
      ...{ apiVersion: 'v1', kind: 'Event' },
      metadata: { name: `${name.slice(0, NAME_CHARS_MAX)}.${hash}`, namespace },
      involvedObject: {
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
        ...{ name, namespace, uid },
      },
      ...{ type: 'Warning', reason: 'Refused', message, source: { component: 'sluice' } },
      ...{ firstTimestamp: at, lastTimestamp: at, count: 1 },
    };
    return {
      key: hash,
      method: 'POST',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
      body: JSON.stringify(event),
    };
  }

  private know(key: string): void {
    if (this.events.size >= EVENTS_KNOWN_MAX) this.events.clear();
    this.events.add(key);
  }

  /** In a conflict another gateway was faster. */
  private async send(write: ClusterWrite): Promise<boolean> {
    return (await this.requests.send(write)) !== 'failed';
  }
}
