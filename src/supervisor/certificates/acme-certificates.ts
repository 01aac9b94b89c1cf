/**
 * Certificates that the gateway gets by itself: when they are ordered, renewed and tried again.
 *
 * Thread: supervisor (on the main thread). Owns the orders: one is under way at a time. A
 * certificate stays in use until there is a newer one, whatever the authority does.
 */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Clock, Random, Timer } from '../../base/clock.js';
import { sharePem, type TlsCertificate } from '../../channel/tls-material.js';
import type { ListenerSettings } from '../../config/listener-settings.js';
import { readServerPair } from '../../config/references/server-certificate.js';
import type { AcmeSettings } from '../../config/tls-settings.js';
import { type AcmeLibrary, loadAcmeLibrary } from './acme-library.js';
import { type ChallengeBoard, orderCertificate } from './acme-order.js';
import { AcmeStore, type StoredPair } from './acme-store.js';
import type { FurtherPairs } from './certificates.js';
import type { LoadedPair } from './listener-files.js';

/** The first pause behind an order that was in vain; each further one is twice as long. */
const PAUSE_MS = 5 * 60_000;
const PAUSE_MS_MAX = 6 * 60 * 60_000;
/** A certificate is renewed when this part of its life is over. */
const RENEW_AT = 2 / 3;
/** Renewals of many gateways spread over this part of the life, and pauses likewise. */
const JITTER = 1 / 20;
const ORDER_MS_MAX = 10 * 60_000;
/** A machine may sleep, and its clock be set: when to renew is looked at so often. */
const LOOK_MS = 60 * 60_000;

export interface AcmeOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: the package. */
  readonly load?: (ca: string) => Promise<AcmeLibrary>;
  /** What a listener shows now besides its files. */
  show(listener: number, further: FurtherPairs): void;
  /** Answers for http-01 by token, at every listener without TLS. */
  tellAnswers(answers: ReadonlyMap<string, string>): void;
}

interface Wanted {
  readonly listener: number;
  readonly name: string;
  readonly settings: AcmeSettings;
  readonly store: AcmeStore;
  /** Before it has one: that of the settings before, if the listener had one. */
  pair: LoadedPair | null;
  challenges: readonly TlsCertificate[];
  /** Orders in a row that were in vain. */
  failures: number;
  timer: Timer | null;
  isDropped: boolean;
}

export class AcmeCertificates {
  private readonly wanted = new Map<string, Wanted>();
  private readonly answers = new Map<string, string>();
  private tail: Promise<void> = Promise.resolve();
  private isStopped = false;
  private ordered = 0;
  private failed = 0;

  constructor(private readonly options: AcmeOptions) {}

  get figures(): { readonly ordered: number; readonly failed: number } {
    return { ordered: this.ordered, failed: this.failed };
  }

  /**
   * Gets certificates for these listeners from now on. Resolves when those that are stored are in
   * use; orders go on beside. Never rejects.
   */
  async adopt(listeners: readonly ListenerSettings[], stateDir: string): Promise<void> {
    const wanted = listeners.flatMap(({ index, name, tls }) => {
      if (tls === null || tls.acme === null) return [];
      const key = JSON.stringify([index, name, stateDir, tls.acme]);
      return [{ key, index, name, acme: tls.acme, stateDir }];
    });
    const left = this.dropOthers(wanted);
    for (const one of wanted) {
      if (this.wanted.has(one.key)) this.show(one.key);
      else await this.add(one.key, { ...one, left: left.get(one.index) ?? null });
    }
  }

  stop(): void {
    this.isStopped = true;
    for (const { timer } of this.wanted.values()) timer?.cancel();
  }

  /** What listeners with other settings show until they have what these say. */
  private dropOthers(
    wanted: readonly { readonly key: string; readonly index: number }[],
  ): Map<number, LoadedPair | null> {
    const left = new Map<number, LoadedPair | null>();
    for (const [key, one] of this.wanted) {
      if (wanted.some((other) => other.key === key)) continue;
      one.isDropped = true;
      one.timer?.cancel();
      this.wanted.delete(key);
      if (wanted.some(({ index }) => index === one.listener)) left.set(one.listener, one.pair);
      else this.options.show(one.listener, { pairs: [], challenges: [] });
    }
    return left;
  }

  private async add(
    key: string,
    one: {
      readonly index: number;
      readonly name: string;
      readonly acme: AcmeSettings;
      readonly stateDir: string;
      readonly left: LoadedPair | null;
    },
  ): Promise<void> {
    const wanted: Wanted = {
      ...{ listener: one.index, name: one.name, settings: one.acme },
      store: new AcmeStore(one.stateDir, one.acme),
      ...{ pair: one.left, challenges: [], failures: 0, timer: null, isDropped: false },
    };
    this.wanted.set(key, wanted);
    let isStored = false;
    try {
      const stored = await wanted.store.pair();
      if (stored !== null) {
        wanted.pair = loadedPair(stored, one.acme.names);
        isStored = true;
      }
    } catch (error) {
      const message = 'a stored certificate of ACME cannot be read: another one is ordered';
      this.options.logger.error({ err: error, listener: one.name }, message);
    }
    this.show(key);
    if (isStored && wanted.pair !== null) {
      this.awaitRenewal(wanted, this.renewalUnixMs(wanted.pair));
    } else this.plan(wanted, 0);
  }

  private show(key: string): void {
    const one = this.wanted.get(key);
    if (one === undefined) return;
    const pairs = one.pair === null ? [] : [one.pair];
    this.options.show(one.listener, { pairs, challenges: one.challenges });
  }

  private renewalUnixMs({ startsAtUnixMs, expiresAtUnixMs }: LoadedPair): number {
    const lifeMs = expiresAtUnixMs - startsAtUnixMs;
    return startsAtUnixMs + lifeMs * (RENEW_AT + JITTER * this.options.random());
  }

  private awaitRenewal(one: Wanted, atUnixMs: number): void {
    const leftMs = atUnixMs - this.options.clock.unixMs();
    if (leftMs <= 0) this.plan(one, 0);
    else this.after(one, Math.min(leftMs, LOOK_MS), () => this.awaitRenewal(one, atUnixMs));
  }

  private plan(one: Wanted, delayMs: number): void {
    this.after(one, delayMs, () => {
      this.tail = this.tail.then(() => this.order(one));
    });
  }

  private after(one: Wanted, delayMs: number, step: () => void): void {
    if (this.isStopped || one.isDropped) return;
    one.timer?.cancel();
    one.timer = this.options.clock.after(delayMs, step);
  }

  private async order(one: Wanted): Promise<void> {
    if (this.isStopped || one.isDropped) return;
    const { logger } = this.options;
    const { name: listener, settings } = one;
    const facts = { listener, names: settings.names, directory: settings.directory };
    logger.info(facts, 'a certificate is ordered');
    try {
      const stored = await this.withinTime(this.tryOrder(one));
      one.pair = loadedPair(stored, settings.names);
      this.ordered += 1;
      const expiresAt = new Date(one.pair.expiresAtUnixMs).toISOString();
      logger.info({ ...facts, expiresAt }, 'a certificate was issued');
      this.showOne(one);
      this.onIssued(one, this.renewalUnixMs(one.pair));
    } catch (error) {
      one.failures += 1;
      this.failed += 1;
      const pauseMs = this.pauseMs(one.failures);
      const again = { failures: one.failures, againInMs: Math.round(pauseMs) };
      logger.error({ ...facts, ...again, err: error }, 'a certificate could not be had');
      this.plan(one, pauseMs);
    }
  }

  /**
   * By a clock that is far ahead every new certificate is due at once. Ordered without a pause they
   * would use up what the authority gives in a week.
   */
  private onIssued(one: Wanted, renewAtUnixMs: number): void {
    const { clock, logger } = this.options;
    const isDue = renewAtUnixMs <= clock.unixMs();
    one.failures = isDue ? one.failures + 1 : 0;
    if (!isDue) {
      this.awaitRenewal(one, renewAtUnixMs);
      return;
    }
    const againInMs = Math.round(this.pauseMs(one.failures));
    const facts = { listener: one.name, againInMs };
    logger.error(facts, 'a new certificate is due for renewal: is the clock set right?');
    this.after(one, againInMs, () => this.awaitRenewal(one, renewAtUnixMs));
  }

  private async tryOrder(one: Wanted): Promise<StoredPair> {
    const { settings, store } = one;
    const { load = loadAcmeLibrary } = this.options;
    const ca = settings.directoryCa === '' ? '' : await readFile(settings.directoryCa, 'utf8');
    return orderCertificate(settings, { library: await load(ca), store, board: this.board(one) });
  }

  /** An authority that never answers must not stop all other orders. */
  private withinTime<T>(order: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.options.clock.after(ORDER_MS_MAX, () => {
        reject(new Error(`the order took longer than ${ORDER_MS_MAX / 60_000} minutes`));
      });
      order.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  private pauseMs(failures: number): number {
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (failures - 1));
    return pauseMs * (1 + JITTER * this.options.random());
  }

  private board(one: Wanted): ChallengeBoard {
    const { answers } = this;
    const tell = (): void => this.options.tellAnswers(new Map(answers));
    return {
      addAnswer(token, answer) {
        answers.set(token, answer);
        tell();
      },
      removeAnswer(token) {
        if (answers.delete(token)) tell();
      },
      addCertificate: (certificate) => {
        one.challenges = [...one.challenges, certificate];
        this.showOne(one);
      },
      removeCertificate: (name) => {
        one.challenges = one.challenges.filter(({ names }) => !names.includes(name.toLowerCase()));
        this.showOne(one);
      },
    };
  }

  private showOne(one: Wanted): void {
    if (this.isStopped || one.isDropped) return;
    for (const [key, known] of this.wanted) if (known === one) this.show(key);
  }
}

/** @throws Error when it is none that fits, or has none of the names any more. */
function loadedPair(stored: StoredPair, names: readonly string[]): LoadedPair {
  const reading = readServerPair({ ...stored, names });
  if ('problem' in reading) throw new Error(reading.problem);
  const { id, kind, chain, key, startsAtUnixMs, expiresAtUnixMs } = reading.pair;
  return {
    ...{ id, kind, names, source: 'acme', staple: null, startsAtUnixMs, expiresAtUnixMs },
    chain: sharePem(chain),
    key: sharePem(key),
  };
}
