/**
 * Who the gateway is for other workloads: keeps the identity and the bundles that an agent of
 * SPIFFE issues, and hands them on.
 *
 * Thread: supervisor (on the main thread). Owns the client, and the keys of the identity, which are
 * in memory only.
 *
 * Invariants: what is handed on was judged. An agent that is lost changes nothing until the
 * certificate expires; one that says that the gateway is entitled to nothing ends its use at once.
 */
import type { Logger } from 'pino';
import type { Clock, Random, Timer } from '../../base/clock.js';
import {
  NO_WORKLOAD,
  type TrustBundle,
  type WorkloadMaterial,
  type WorkloadSvid,
} from '../../channel/workload-material.js';
import {
  endpointLack,
  parseSpiffeEndpoint,
  SPIFFE_ENDPOINT_VARIABLE,
} from '../../config/references/spiffe-endpoint.js';
import type { SpiffeSettings } from '../../config/spiffe-settings.js';
import type { WorkloadStatus } from '../../observability/gateway-status.js';
import { WorkloadClient, type WorkloadSubject } from './workload-client.js';
import { readBundles, readSvids } from './workload-messages.js';
import type { WorkloadTimes } from './workload-stream.js';

/** Wall time may jump, and a timer is not to wait for longer than Node can count. */
const LOOK_MS = 10_000;
/** How long a gateway that starts waits for the first answer. */
const FIRST_ANSWER_MS = 5000;
/** Agents renew when half of a certificate's life is over. */
const LATE_SHARE = 0.75;

export interface WorkloadOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly times?: WorkloadTimes;
  readonly users: readonly WorkloadUser[];
}

/** Who hands it to threads, and to those that start later. */
export interface WorkloadUser {
  useWorkload(material: WorkloadMaterial): void;
}

type Heard<T> = { readonly value: T } | null;

export class Workload {
  /** What holds now. */
  material: WorkloadMaterial = NO_WORKLOAD;
  private settings: SpiffeSettings | null = null;
  private client: WorkloadClient | null = null;
  private endpoint = '';
  private svid: WorkloadSvid | null = null;
  private lack = NO_WORKLOAD.lack;
  /** Bundles as each of the two calls has them; the one that spoke last is believed. */
  private heard: Record<WorkloadSubject, Heard<readonly TrustBundle[]>> = NOTHING_HEARD;
  private last: WorkloadSubject = 'svids';
  private look: Timer | null = null;
  private isLateTold = false;
  private hadSvid = false;
  private isConnected = false;
  /** What went wrong last with the agent, and with each of the two calls; empty: nothing. */
  private failures = NO_FAILURES;
  /** What the log has said of the agent since it was last well. */
  private told: '' | 'lost' | 'denied' = '';
  private counts = { rotations: 0, lost: 0, refused: 0, denied: 0 };
  private onSettled: () => void = () => {};
  private firstAnswer: Promise<void> = Promise.resolve();

  constructor(private readonly options: WorkloadOptions) {}

  /**
   * `spiffe`: null: nobody needs an identity. An agent that stays the same is not asked anew.
   * Resolves as settled() does.
   */
  adopt({ spiffe }: { readonly spiffe: SpiffeSettings | null }): Promise<void> {
    this.use(spiffe);
    return this.settled();
  }

  /**
   * Asks for the identity that the next configuration needs where the one in force needs none;
   * what that one has stays until the next is taken. Resolves as settled() does.
   */
  addNew(next: { readonly spiffe: SpiffeSettings | null }): Promise<void> {
    return this.settings === null ? this.adopt(next) : Promise.resolve();
  }

  /** What /readyz says where the threads say this. */
  readinessOf({ readiness }: { readonly readiness: string }): string {
    return readiness === 'ready' && !this.isReady ? 'no identity' : readiness;
  }

  private use(spiffe: SpiffeSettings | null): void {
    const before = this.settings;
    this.settings = spiffe;
    const isSame = spiffe?.endpoint === before?.endpoint && spiffe?.hint === before?.hint;
    if (isSame) return;
    this.forget();
    if (spiffe === null) {
      this.lack = NO_WORKLOAD.lack;
      this.tell();
      return;
    }
    this.endpoint = spiffe.endpoint || (this.options.environment[SPIFFE_ENDPOINT_VARIABLE] ?? '');
    const parsed = parseSpiffeEndpoint(this.endpoint);
    if ('problem' in parsed) {
      this.fail(endpointLack(this.endpoint));
      return;
    }
    this.firstAnswer = new Promise((resolve) => {
      this.onSettled = resolve;
    });
    const { clock, random, times = {} } = this.options;
    this.client = new WorkloadClient({
      ...{ endpoint: parsed, clock, random, times },
      onMessage: (subject, message) => this.read(subject, message),
      onDenied: (subject, detail) => this.deny(subject, detail),
      onFailed: (reason) => this.fail(reason),
      onConnected: () => {
        this.isConnected = true;
      },
    });
    this.client.start();
  }

  /** Resolves when the agent has answered or failed once, at the latest after `ms`. */
  async settled(ms = FIRST_ANSWER_MS): Promise<void> {
    let timer: Timer | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.options.clock.after(ms, resolve);
    });
    await Promise.race([this.firstAnswer, late]);
    (timer as Timer | null)?.cancel();
  }

  /** False: an identity is needed, and there never was one. */
  get isReady(): boolean {
    return this.settings === null || this.hadSvid;
  }

  /** null: nobody needs an identity. */
  status(): WorkloadStatus | null {
    if (this.settings === null) return null;
    const { svid, bundles, lack } = this.material;
    return {
      endpoint: this.endpoint,
      isConnected: this.isConnected,
      failure: this.failure,
      id: svid?.id ?? '',
      expiresAtUnixMs: svid?.expiresAtUnixMs ?? 0,
      lack,
      trustDomains: bundles.map(({ trustDomain }) => trustDomain),
      ...this.counts,
    };
  }

  private get failure(): string {
    const { agent, svids, bundles } = this.failures;
    return svids || bundles || agent;
  }

  stop(): void {
    this.client?.stop();
    this.look?.cancel();
  }

  private forget(): void {
    this.stop();
    this.onSettled();
    this.client = null;
    this.svid = null;
    this.lack = NO_WORKLOAD.lack;
    this.heard = NOTHING_HEARD;
    this.isConnected = false;
    this.failures = NO_FAILURES;
    this.told = '';
    this.endpoint = '';
  }

  /** Returns whether the message was taken. */
  private read(subject: WorkloadSubject, message: Buffer): boolean {
    const { logger, clock } = this.options;
    const hint = this.settings?.hint ?? '';
    try {
      if (subject === 'svids') {
        const { svid, bundles } = readSvids(message, hint, clock.unixMs());
        this.heard = { ...this.heard, svids: { value: bundles } };
        this.takeSvid(svid, `the agent has no SVID with the hint "${hint}"`);
      } else {
        this.heard = { ...this.heard, bundles: { value: readBundles(message).bundles } };
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.counts.refused++;
      if (this.failures[subject] !== reason) {
        logger.error({ reason }, 'a message of the SPIFFE agent was refused, the last one holds');
      }
      this.failures = { ...this.failures, [subject]: reason };
      if (this.svid === null && subject === 'svids') this.lack = reason;
      this.tell();
      this.onSettled();
      return false;
    }
    this.last = subject;
    this.failures = { ...this.failures, agent: '', [subject]: '' };
    this.told = '';
    this.isConnected = true;
    this.tell();
    if (subject === 'svids') this.onSettled();
    return true;
  }

  private takeSvid(svid: WorkloadSvid | null, lack: string): void {
    if (svid !== null && this.svid !== null && svid.chain !== this.svid.chain) {
      this.counts.rotations++;
    }
    this.isLateTold = this.isLateTold && svid?.chain === this.svid?.chain;
    this.svid = svid;
    this.hadSvid ||= svid !== null;
    this.lack = svid === null ? lack : '';
    this.lookLater();
  }

  private deny(subject: WorkloadSubject, detail: string): void {
    this.counts.denied++;
    const reason = `the agent gives the gateway no identity: ${detail || 'permission denied'}`;
    if (this.told !== 'denied') this.options.logger.error({ reason }, 'SPIFFE agent refuses');
    this.told = 'denied';
    this.failures = { ...this.failures, [subject]: reason };
    this.heard = { ...this.heard, [subject]: null };
    if (subject === 'svids') this.takeSvid(null, reason);
    this.tell();
    this.onSettled();
  }

  private fail(reason: string): void {
    this.counts.lost++;
    this.isConnected = false;
    this.failures = { ...this.failures, agent: reason };
    if (this.svid === null) this.lack = reason;
    // Nobody needs to read the same every 30 seconds.
    const { endpoint, told } = this;
    if (told === '') this.options.logger.warn({ endpoint, reason }, 'SPIFFE agent lost');
    this.told = told || 'lost';
    this.tell();
    this.onSettled();
  }

  private lookLater(): void {
    this.look?.cancel();
    this.look = null;
    const { svid } = this;
    if (svid === null) return;
    const { clock, logger } = this.options;
    const nowMs = clock.unixMs();
    const restMs = svid.expiresAtUnixMs - nowMs;
    if (restMs <= 0) {
      logger.error({ id: svid.id }, 'the SVID has expired and is not used any more');
      this.takeSvid(null, `the SVID of ${svid.id} has expired`);
      this.tell();
      return;
    }
    const lifeMs = svid.expiresAtUnixMs - svid.startsAtUnixMs;
    if (!this.isLateTold && nowMs - svid.startsAtUnixMs > lifeMs * LATE_SHARE) {
      this.isLateTold = true;
      const seconds = Math.round(restMs / 1000);
      logger.warn({ id: svid.id, seconds, reason: this.failure }, 'the SVID is not renewed yet');
    }
    this.look = clock.after(Math.min(restMs, LOOK_MS), () => this.lookLater());
  }

  /** Hands on what has changed. */
  private tell(): void {
    const { svid, lack, heard, last } = this;
    const other = last === 'svids' ? 'bundles' : 'svids';
    const bundles = (heard[last] ?? heard[other])?.value ?? [];
    const { serial, ...before } = this.material;
    const next = { svid, lack, bundles };
    if (JSON.stringify(before) === JSON.stringify(next)) return;
    const isOther = svid !== null && svid.chain !== before.svid?.chain;
    this.material = { serial: serial + 1, ...next };
    if (isOther) {
      const expires = new Date(svid.expiresAtUnixMs).toISOString();
      const trustDomains = bundles.map(({ trustDomain }) => trustDomain).slice(0, 10);
      this.options.logger.info({ id: svid.id, expires, trustDomains }, 'SVID received');
    }
    for (const user of this.options.users) user.useWorkload(this.material);
  }
}

const NO_FAILURES = { agent: '', svids: '', bundles: '' };
const NOTHING_HEARD = { svids: null, bundles: null };
