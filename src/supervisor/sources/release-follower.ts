/**
 * Follows a store of configurations: what it names is brought into force, and every verdict is told
 * to the store.
 *
 *     view of the store ─► release and parts ─► trial (document-trial.ts) ─► copy on disk ─► report
 *
 * Thread: supervisor (on the main thread). Owns what is known of the store. Until the gateway has
 * started a trial loads the documents here; from then on it is a reload like any other, made in a
 * thread of its own.
 *
 * Invariants: what cannot be used changes nothing, and what is gone from the store stays in force
 * when all is gone: an empty store is one that was lost. The copy is written before anything is
 * reported as in force. What is refused is tried again until the store names something else, unless
 * a trial has shown that it is bad.
 */
import type { Clock, Random } from '../../base/clock.js';
import type { RefusedDocument, StoreOrigin } from '../../base/store-origin.js';
import { ConfigError } from '../../config/check/config-error.js';
import { type ConfigSource, storeSource } from '../../config/source/config-source.js';
import type { LoadedConfig } from '../../config/source/load-file.js';
import type { Environment } from '../../config/source/variables.js';
import type { ReloadResult } from '../reloader.js';
import type { ConfigStore, Presence, StoreListener, StoreView } from './config-store.js';
import { type DocumentAttempt, type TrialOutcome, tryDocuments } from './document-trial.js';
import type { LastGoodCopy } from './last-good-copy.js';
import { type NodeReport, reportText } from './node-report.js';
import { CURRENT, NODES, PARTS } from './release-layout.js';
import { RepeatedTry } from './repeated-try.js';
import { type DocumentSet, hasSameTexts, inOrder } from './store-document.js';
import { documentsOf } from './wanted-documents.js';

/** Where lines of the log go: the terminal at first, then the gateway's log. */
export type FollowerLog = (
  level: 'info' | 'warn' | 'error',
  fields: Readonly<Record<string, unknown>>,
  message: string,
) => void;

export interface FollowerOptions {
  readonly store: ConfigStore;
  readonly clock: Pick<Clock, 'nowMs' | 'unixMs' | 'after'>;
  readonly random: Random;
  readonly environment: Environment;
  /** A file of this machine that stands above the documents; null: none. */
  readonly localFile: string | null;
  /** null: there is no folder for it. */
  readonly copy: LastGoodCopy | null;
  /** The name of this gateway among those that follow the store. */
  readonly node: string;
  readonly version: string;
  readonly log: FollowerLog;
  /** The least time between two changes. Default: 1 s. */
  readonly applyIntervalMs?: number;
  /** The least time until what was refused is tried again, which then grows. Default: 5 s. */
  readonly retryMs?: number;
}

/** The part of the gateway that is used here. */
export interface FollowingGateway {
  reload(): Promise<ReloadResult>;
  /** A change is being made, such as a trial that another one would end. Absent: never. */
  isReloading?(): boolean;
  readonly log: FollowerLog;
}

/** What the store names, and what of it is not even a document. */
interface Wanted {
  readonly documents: DocumentSet;
  readonly refused: TrialOutcome['refused'];
}

const APPLY_INTERVAL_MS = 1000;
const STOP_MS_MAX = 1000;
const NO_DOCUMENTS: DocumentSet = new Map();

export class ReleaseFollower implements StoreListener {
  /** For the gateway: the documents in force, or those that are being tried. */
  readonly source: ConfigSource;
  private readonly presence: Presence;
  private log: FollowerLog;
  private watching: { stop(): void } | null = null;

  private inForce: DocumentSet = NO_DOCUMENTS;
  private refused: TrialOutcome['refused'] = new Map();
  private candidate: DocumentSet | null = null;
  private triedKey = '';
  /** What the store named last. */
  private wanted: Wanted = { documents: NO_DOCUMENTS, refused: new Map() };
  private readonly again: RepeatedTry;
  /** Why sets of documents were taken back that served some requests worse, by their keys. */
  private readonly judged = new Map<string, readonly string[]>();
  /** Something was refused that may be taken later. */
  private mayPass = false;
  private isStopped = false;
  private ending: Promise<void> | null = null;
  private tail: Promise<unknown> = Promise.resolve();
  private from: StoreOrigin['from'] = 'store';
  private revision = 0;
  private clusterId = '';
  private readMs = Number.NaN;
  private trouble = '';
  private warnedOf = '';
  private copyState = 'off';
  private appliedMs = Number.NEGATIVE_INFINITY;

  private loaded: LoadedConfig | null = null;
  private reload: (() => Promise<ReloadResult>) | null = null;
  private isReloading: () => boolean = () => false;
  private readonly booted = deferred<LoadedConfig>();
  private readonly looked = deferred<void>();
  private readonly attached = deferred<void>();

  constructor(private readonly options: FollowerOptions) {
    const { store, localFile, environment, node, log, clock, random } = options;
    this.log = log;
    this.again = new RepeatedTry({
      ...{ clock, random, waitMsMin: options.retryMs },
      tryAgain: () => this.tryLater(this.wanted),
    });
    this.presence = store.present(NODES + node);
    this.source = storeSource({
      ...{ name: store.name, localFile, environment },
      documents: () => inOrder(this.candidate ?? this.inForce),
      origin: () => this.origin(),
    });
  }

  start(): void {
    this.watching = this.options.store.watch([CURRENT, PARTS], this);
  }

  /**
   * What to start with: what the store names, or the copy on disk where the store does not answer
   * within `bootMs`, is empty, or names what cannot be used. null: there is neither.
   */
  async first(bootMs: number): Promise<LoadedConfig | null> {
    await Promise.race([this.booted.promise, this.looked.promise, this.sleep(bootMs)]);
    if (this.loaded === null) await this.useCopy();
    return this.loaded;
  }

  /** Resolves when there is something to start with; the store hears that this gateway waits. */
  whenBooted(): Promise<LoadedConfig> {
    this.report();
    return this.booted.promise;
  }

  /** The gateway has started: changes go to it from now on. */
  attach(gateway: FollowingGateway): void {
    this.reload = () => gateway.reload();
    this.isReloading = () => gateway.isReloading?.() ?? false;
    this.log = gateway.log;
    const { node } = this.options;
    this.log('info', { ...this.shown(), node }, 'configuration from a store');
    this.attached.resolve();
    // What came from the disk was reported by nobody yet.
    if (this.from === 'copy') this.report();
  }

  /** Takes up nothing any more, and leaves the list of those that follow the store. */
  stop(): Promise<void> {
    this.ending ??= this.end();
    return this.ending;
  }

  private async end(): Promise<void> {
    this.isStopped = true;
    this.again.forget();
    this.watching?.stop();
    await Promise.race([this.presence.stop(), this.sleep(STOP_MS_MAX)]);
    this.options.store.close();
  }

  origin(): StoreOrigin {
    const { store, clock } = this.options;
    const release = this.inForce.get('');
    const teams = [...this.inForce.keys(), ...this.refused.keys()].filter((team) => team !== '');
    return {
      ...{ provider: store.provider, store: store.name },
      release: release?.id ?? '',
      sha256: release?.sha256 ?? '',
      from: this.from,
      revision: this.revision,
      ageMs: Number.isNaN(this.readMs) ? null : clock.nowMs() - this.readMs,
      trouble: this.trouble,
      refused: this.refusalOf(''),
      nextTry: this.again.next,
      parts: [...new Set(teams)].sort().map((team) => ({
        team,
        sha256: this.inForce.get(team)?.sha256 ?? '',
        refused: this.refusalOf(team),
      })),
    };
  }

  onView(view: StoreView): Promise<void> {
    return this.inTurn(() => this.take(view));
  }

  /** What the store says and what is tried again come one after the other. */
  private inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.tail.then(step);
    this.tail = done.catch(() => {});
    return done;
  }

  private async take(view: StoreView): Promise<void> {
    if (this.isStopped) return;
    this.noteContact(view);
    const wanted = await documentsOf(view, this.options.store, this.inForce);
    if (this.isStopped) return;
    this.warnOnce(wanted.warnings);
    if (wanted.documents === null) {
      if (wanted.refused.size > 0) this.refuse(wanted.refused);
      this.looked.resolve();
      return;
    }
    await this.adopt(wanted.documents, wanted.refused);
    const waitMs = this.appliedMs + (this.options.applyIntervalMs ?? APPLY_INTERVAL_MS);
    const leftMs = waitMs - this.options.clock.nowMs();
    if (leftMs > 0) await this.sleep(leftMs);
  }

  onTrouble(reason: string): void {
    const isNew = this.trouble === '';
    this.trouble = reason;
    if (!isNew) return;
    const kept = this.inForce.size > 0;
    const message = 'the store of the configuration cannot be read';
    const stays = kept ? `${message}, what is in force stays` : message;
    this.log('warn', { store: this.options.store.name, reason }, stays);
  }

  /** Of a store that names nothing else. */
  private refuse(unusable: TrialOutcome['refused']): void {
    const key = keyOf(this.inForce, unusable);
    if (key === this.triedKey) return;
    this.triedKey = key;
    this.again.forget();
    this.refused = unusable;
    this.logRefusals();
    this.report();
  }

  private async adopt(wanted: DocumentSet, unusable: TrialOutcome['refused']): Promise<void> {
    const key = keyOf(wanted, unusable);
    if (key === this.triedKey) return;
    this.again.forget();
    this.judged.clear();
    this.wanted = { documents: wanted, refused: unusable };
    await this.tryWanted(this.wanted);
    this.triedKey = key;
  }

  private tryLater(wanted: Wanted): void {
    if (this.isReloading()) {
      this.again.postpone();
      return;
    }
    this.inTurn(() => this.tryAgain(wanted)).catch((error: unknown) => {
      this.log('error', { err: error }, 'what was refused could not be tried again');
      if (!this.isStopped) this.again.onRefused();
    });
  }

  private async tryAgain(wanted: Wanted): Promise<void> {
    // The store may have named something else meanwhile, or what could not even be read.
    if (this.isStopped || wanted !== this.wanted) return;
    if (this.triedKey === keyOf(wanted.documents, wanted.refused)) await this.tryWanted(wanted);
  }

  private async tryWanted({ documents: wanted, refused: unusable }: Wanted): Promise<void> {
    this.mayPass = false;
    const before = this.inForce;
    const outcome = hasSameTexts(before, wanted)
      ? { inForce: wanted, refused: new Map() }
      : await tryDocuments(before, wanted, (documents) => this.attempt(documents));
    this.inForce = outcome.inForce;
    this.refused = new Map([...outcome.refused, ...unusable]);
    if (outcome.refused.size === 0 || !this.mayPass) this.again.forget();
    else if (!this.isStopped) this.again.onRefused();
    if (this.inForce.size > 0 && !this.refused.has('')) this.from = 'store';
    this.logRefusals();
    this.looked.resolve();
    if (this.loaded !== null) {
      // Nothing is in force before the gateway has started.
      await this.attached.promise;
      if (keyOf(before) !== keyOf(this.inForce)) await this.writeCopy();
    }
    this.report();
  }

  private readonly attempt: DocumentAttempt = async (documents) => {
    const key = keyOf(documents);
    const verdict = this.judged.get(key);
    if (verdict !== undefined) return verdict;
    this.candidate = documents;
    if (this.loaded === null) return this.settle(documents, this.load());
    await this.attached.promise;
    // On the promise of the reload itself: the one that waits behind it reads the source in the
    // same turn, and is to find there what is in force by then.
    const result = await this.reload?.();
    this.appliedMs = this.options.clock.nowMs();
    if (result?.outcome !== 'refused') return this.settle(documents, null);
    if (result.wasJudged === true) this.judged.set(key, result.reasons);
    return this.settle(documents, result.reasons);
  };

  /** What was tried is in force now, or is not. */
  private settle(
    documents: DocumentSet,
    refusal: readonly string[] | null,
  ): readonly string[] | null {
    this.candidate = null;
    if (refusal === null) this.inForce = documents;
    else if (!this.judged.has(keyOf(documents))) this.mayPass = true;
    return refusal;
  }

  private load(): readonly string[] | null {
    try {
      this.loaded = this.source.load();
      this.booted.resolve(this.loaded);
      return null;
    } catch (error) {
      if (error instanceof ConfigError) return error.message.split('\n');
      throw error;
    }
  }

  private async useCopy(): Promise<void> {
    const { copy, clock } = this.options;
    if (copy === null) return;
    const { content, problem } = await copy.read();
    if (problem !== null)
      this.log('error', { problem }, 'the copy of the configuration is not used');
    // The store may have answered meanwhile.
    if (content === null || this.loaded !== null) return;
    const documents = new Map(content.documents.map((one) => [one.team, one]));
    this.candidate = documents;
    const reasons = this.load();
    this.candidate = null;
    if (reasons !== null) {
      this.log('error', { reasons }, 'the copy of the configuration is refused');
      return;
    }
    this.inForce = documents;
    this.from = 'copy';
    this.revision = content.revision;
    this.copyState = 'written';
    const ageSeconds = Math.round((clock.unixMs() - Date.parse(content.savedAt)) / 1000);
    const fields = { file: copy.file, ...this.shown(), savedAt: content.savedAt, ageSeconds };
    this.log('warn', fields, 'the configuration is the last good copy on disk');
  }

  private async writeCopy(): Promise<void> {
    const { copy, clock } = this.options;
    if (copy === null) return;
    const savedAt = new Date(clock.unixMs()).toISOString();
    const { revision, clusterId } = this;
    try {
      await copy.write({ revision, clusterId, savedAt, documents: inOrder(this.inForce) });
      this.copyState = 'written';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.copyState = `not written: ${reason}`;
      this.log(
        'error',
        { reason, file: copy.file },
        'the copy of the configuration is not written',
      );
    }
  }

  private report(): void {
    const { node, version, clock } = this.options;
    const origin = this.origin();
    const report: NodeReport = {
      ...{ node, version, from: origin.from, refused: origin.refused, copy: this.copyState },
      at: new Date(clock.unixMs()).toISOString(),
      release: origin.release === '' ? null : { id: origin.release, sha256: origin.sha256 },
      parts: Object.fromEntries(
        origin.parts.map(({ team, sha256, refused }) => [team, { sha256, refused }]),
      ),
    };
    this.presence.tell(reportText(report));
  }

  private noteContact({ revision, clusterId }: StoreView): void {
    const { store, clock } = this.options;
    if (this.trouble !== '') this.log('info', { store: store.name }, 'the store can be read again');
    this.trouble = '';
    this.readMs = clock.nowMs();
    const isOther = this.clusterId !== '' && clusterId !== this.clusterId;
    // Of a store without such an ID a lower revision means nothing.
    const isBack = clusterId !== '' && clusterId === this.clusterId && revision < this.revision;
    if (isOther || isBack) {
      const fields = { store: store.name, before: this.revision, revision };
      this.log('warn', fields, 'the store is not the one it was: it was rebuilt');
    }
    this.clusterId = clusterId;
    this.revision = revision;
  }

  private warnOnce(warnings: readonly string[]): void {
    const key = warnings.join('\n');
    if (key === this.warnedOf) return;
    this.warnedOf = key;
    const { store } = this.options;
    for (const reason of warnings) {
      this.log('warn', { store: store.name, reason }, 'the store is not as it should be');
    }
  }

  private logRefusals(): void {
    const { next: nextTry } = this.again;
    for (const [team, { document, reasons }] of this.refused) {
      const what = { ...(team === '' ? { release: document.id } : { part: team }), nextTry };
      const message = 'a document of the store is refused, the last good one stays in force';
      this.log('error', { ...what, reasons }, message);
    }
  }

  private refusalOf(team: string): RefusedDocument | null {
    const refusal = this.refused.get(team);
    return refusal === undefined ? null : { id: refusal.document.id, reasons: refusal.reasons };
  }

  private shown(): { store: string; release: string; from: string } {
    const { store, release, from } = this.origin();
    return { store, release, from };
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.options.clock.after(ms, resolve));
  }
}

/** Changes whenever a document does, or is published again. */
function keyOf(documents: DocumentSet, refused: TrialOutcome['refused'] = new Map()): string {
  const names = inOrder(documents).map(({ team, id, sha256 }) => `${team}:${id}:${sha256}`);
  const unusable = [...refused].map(([team, { document }]) => `${team}!${document.id}`);
  return [...names, ...unusable].join('\n');
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
