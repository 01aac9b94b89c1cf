/**
 * Brings another configuration into force, or says why that is impossible; also goes back to the
 * one before.
 *
 * Thread: supervisor (on the main thread). Owns the configuration in force and a few before it.
 * Changes come one after the other; a reload that is asked for while another one waits is the same
 * reload. A configuration that is refused, for whatever reason, changes nothing.
 */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import { type ConfigChange, formatChange } from '../config/changes/diff-config.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { GatewayConfig } from '../config/gateway-config.js';
import { NO_ADDRESSES, type TargetAddresses } from '../config/references/target-addresses.js';
import type { ServedConfig, SharedConfig } from '../config/shared/shared-config.js';
import type { ConfigSource } from '../config/source/config-source.js';
import type { TextOptions } from '../config/source/load-config.js';
import type { ReloadStatus, ReloadTrigger, TrialFigures } from '../observability/gateway-status.js';
import { type Canary, type ConfigTrial, TrialFailedError } from './config-trial.js';
import type { NextVersion } from './epoch-table.js';
import type { KeptVersion } from './loading/kept-version.js';
import type { VersionOrder, VersionReport, VersionSource } from './loading/prepare-version.js';

/** The number of versions to which one can go back. */
const HISTORY_MAX = 10;

/** Of a reload with more changes the log only has their number. */
const CHANGES_TOLD_MAX = 50;

const ASKED_FOR_ANOTHER = 'another configuration was asked for';

export type ReloadResult =
  | {
      readonly outcome: 'applied';
      readonly epoch: number;
      /** One by one up to a thousand. */
      readonly changes: readonly ConfigChange[];
      readonly changeCount: number;
    }
  | {
      readonly outcome: 'refused';
      readonly reasons: readonly string[];
      /** A trial has shown that it is worse than what is in force. */
      readonly wasJudged?: true;
    };

export interface ReloaderOptions {
  readonly first: KeptVersion;
  /** Absent: the configuration came from a program, and there is no source to read again. */
  readonly source: ConfigSource | undefined;
  readonly logger: Logger;
  readonly clock: Pick<Clock, 'unixMs'>;
  /** Makes the next version beside this thread. Rejects when that could not be tried. */
  prepare(order: VersionOrder): Promise<VersionReport>;
  /** The number and the rows for the next version. */
  beginVersion(): NextVersion;
  /**
   * Brings the configuration into force in all threads. Rejects with the reason, and then nothing
   * has changed.
   */
  swap(shared: SharedConfig, canary: Canary | null): Promise<ServedConfig>;
  /** What is on trial now; null: nothing is. */
  trial(): Pick<ConfigTrial, 'abort' | 'figures'> | null;
  /** A version was tried and taken back. */
  onTakenBack(version: KeptVersion): Promise<void>;
  /** The last known addresses of all names of targets. */
  addresses(): TargetAddresses;
  /** Somebody has asked for another configuration. */
  onBegun(): void;
  /** That is done, or refused. */
  onEnded(): void;
  /** The configuration is in force now. */
  onApplied(config: ServedConfig): void;
  /** Not empty: changes are refused now, for this reason. */
  closedReason(): string;
  epochsInUse(): readonly number[];
}

/** Hears of the trial of the version that it has asked for, when that begins. */
export type TellTrial = (trial: TrialFigures) => void;

export class Reloader {
  private written: KeptVersion;
  private inForce: Pick<GatewaySettings, 'epoch' | 'upstreams' | 'reload'>;
  private inForceSinceUnixMs: number;
  /** The newest is the last. */
  private history: KeptVersion[] = [];
  /**
   * The addresses in force. Newer ones may be known and have been refused, which must not make a
   * reload fail.
   */
  private addresses: TargetAddresses = NO_ADDRESSES;
  private tail: Promise<unknown> = Promise.resolve();
  /** A reload that has not begun; it is the same for all who ask until then. */
  private waiting: { readonly result: Promise<ReloadResult>; readonly tells: TellTrial[] } | null =
    null;
  /** Changes that have not begun. */
  private waitingCount = 0;
  private isRunning = false;
  /** null: nothing is on trial, and what was has an outcome. */
  private onTrial: Pick<ConfigTrial, 'abort' | 'figures'> | null = null;
  /** Who has asked for the change that is being made. */
  private tells: readonly TellTrial[] = [];
  private applied = 0;
  private refused = 0;
  private last: ReloadStatus['lastReload'] = null;
  /** The version of the change that is being made, once it is on trial; 0: it is not. */
  private triedEpoch = 0;
  private lastTrial: ReloadStatus['lastTrial'] = null;

  constructor(private readonly options: ReloaderOptions) {
    this.written = options.first;
    this.inForce = options.first.compiled.settings;
    this.inForceSinceUnixMs = options.clock.unixMs();
  }

  /** The configuration in force, as it was written. */
  get current(): KeptVersion {
    return this.written;
  }

  /** What a text that stood in the place of the source would be read with. */
  get surroundings(): TextOptions {
    const { source } = this.options;
    if (source === undefined) return { file: 'configuration', environment: {} };
    const { file, environment } = source.order();
    return { file, environment };
  }

  /** Reads the source again and applies it. Never rejects. */
  reload(trigger: ReloadTrigger, tellTrial: TellTrial = () => {}): Promise<ReloadResult> {
    if (this.waiting === null) {
      const tells: TellTrial[] = [];
      const result = this.queue(trigger, () => this.readAgain(), tells);
      this.waiting = { result, tells };
    }
    this.waiting.tells.push(tellTrial);
    return this.waiting.result;
  }

  /** Applies a configuration that a program made. Never rejects. */
  applyObject(written: GatewayConfig): Promise<ReloadResult> {
    return this.queue('program', () => this.apply({ kind: 'object', written }, true));
  }

  /**
   * Brings the newest addresses of targets into force, under the configuration in force. Resolves
   * with '', or with the reason why it failed. Never rejects.
   */
  useAddresses(): Promise<string> {
    const result = this.tail.then(() => this.swapAddresses());
    this.tail = result;
    return result;
  }

  /** Applies the configuration that was in force before this one. Never rejects. */
  rollback(): Promise<ReloadResult> {
    return this.queue('rollback', async () => {
      const origin = this.options.source?.origin?.();
      // This gateway alone would use something else than what the store names.
      if (origin !== undefined)
        return refuse(`go back in the store: sluice rollback --to ${origin.store}`);
      if (this.options.source?.cluster !== undefined) {
        return refuse('go back in the cluster: its objects say what is served');
      }
      const earlier = this.history.at(-1);
      if (earlier === undefined) return refuse('there is no earlier configuration to go back to');
      const result = await this.apply({ kind: 'kept', version: earlier }, false);
      if (result.outcome === 'applied') this.history.pop();
      return result;
    });
  }

  /**
   * Has a plugin begin anew in all workers that was put out: the configuration in force comes into
   * force once more. Never rejects; refused where the plugin cannot be set up.
   */
  async restorePlugin(name: string): Promise<ReloadResult> {
    const again = () => this.apply({ kind: 'kept', version: this.written }, false, name);
    const result = await this.queue('restore', again);
    const isUsed = result.outcome === 'applied';
    if (isUsed) this.options.logger.warn({ plugin: name }, 'plugin is used again, by an order');
    return result;
  }

  /** A change is being made, or waits for its turn. */
  get isBusy(): boolean {
    return this.isRunning || this.waitingCount > 0;
  }

  status(): ReloadStatus {
    return {
      source: this.options.source?.name ?? '',
      epoch: this.inForce.epoch,
      inForceSinceUnixMs: this.inForceSinceUnixMs,
      epochsInUse: this.options.epochsInUse(),
      earlierVersions: this.history.length,
      reloads: this.applied,
      refusedReloads: this.refused,
      lastReload: this.last,
      trial: this.onTrial?.figures() ?? null,
      lastTrial: this.lastTrial,
      origin: this.options.source?.origin?.() ?? null,
      cluster: this.options.source?.cluster?.status() ?? null,
    };
  }

  private readAgain(): ReloadResult | Promise<ReloadResult> {
    this.waiting = null;
    const { source } = this.options;
    if (source !== undefined) return this.apply({ kind: 'file', file: source.order() }, true);
    return refuse('the configuration was made by a program: there is no file to read again');
  }

  private queue(
    trigger: ReloadTrigger,
    change: () => ReloadResult | Promise<ReloadResult>,
    tells: readonly TellTrial[] = [],
  ): Promise<ReloadResult> {
    this.waitingCount += 1;
    this.onTrial?.abort(ASKED_FOR_ANOTHER);
    const result = this.tail.then(() => {
      this.waitingCount -= 1;
      this.isRunning = true;
      this.tells = tells;
      return this.run(trigger, change);
    });
    this.tail = result;
    return result;
  }

  private async run(
    trigger: ReloadTrigger,
    change: () => ReloadResult | Promise<ReloadResult>,
  ): Promise<ReloadResult> {
    let result: ReloadResult;
    this.triedEpoch = 0;
    this.options.onBegun();
    try {
      result = await change();
    } catch (error) {
      const wasJudged = error instanceof TrialFailedError && error.wasJudged;
      result = { ...refuse(reasonOf(error)), ...(wasJudged && { wasJudged: true as const }) };
    }
    this.record(trigger, result);
    this.onTrial = null;
    this.isRunning = false;
    this.options.onEnded();
    return result;
  }

  private async apply(
    source: VersionSource,
    isKept: boolean,
    restored = '',
  ): Promise<ReloadResult> {
    const closed = this.options.closedReason();
    if (closed !== '') return refuse(closed);
    const report = await this.prepare(source, this.addresses, restored);
    if (source.kind === 'file') this.options.source?.onFilesRead(report.files);
    if (report.outcome === 'refused') return report;
    const { kept, placed, changes, changeCount } = report;
    // The gateway may have begun to stop while the version was made.
    const closedNow = this.options.closedReason();
    if (closedNow !== '') return refuse(closedNow);
    const isChanged = changeCount > 0 || !report.hasSameEffect;
    // What was in force before needs no trial.
    const rule = isKept && isChanged ? this.inForce.reload.canary : null;
    const canary = rule === null ? null : { rule, onBegun: () => this.onTrialBegun() };
    const inForce = await this.options.swap(placed, canary).catch(async (error: unknown) => {
      if (error instanceof TrialFailedError) await this.options.onTakenBack(kept);
      throw error;
    });
    this.inForce = inForce;
    this.addresses = ofNamesIn(inForce, this.addresses);
    if (isKept && isChanged) {
      this.history = [...this.history, this.written].slice(-HISTORY_MAX);
    }
    this.written = kept;
    this.inForceSinceUnixMs = this.options.clock.unixMs();
    this.options.onApplied(inForce);
    if (report.ingress !== undefined) this.options.source?.cluster?.onReport(report.ingress);
    return { outcome: 'applied', epoch: inForce.epoch, changes, changeCount };
  }

  private onTrialBegun(): void {
    this.onTrial = this.options.trial();
    if (this.onTrial === null) return;
    const trial = this.onTrial.figures();
    const { epoch, endsInMs } = trial;
    this.triedEpoch = epoch;
    this.options.logger.info({ epoch, endsInMs }, 'configuration on trial');
    for (const tell of this.tells) tell(trial);
    const closed = this.options.closedReason();
    if (this.waitingCount > 0) this.onTrial.abort(ASKED_FOR_ANOTHER);
    else if (closed !== '') this.onTrial.abort(closed);
  }

  private prepare(
    source: VersionSource,
    addresses: TargetAddresses,
    restored = '',
  ): Promise<VersionReport> {
    const next = this.options.beginVersion();
    return this.options.prepare({ source, before: this.written, addresses, next, restored });
  }

  private async swapAddresses(): Promise<string> {
    const closed = this.options.closedReason();
    if (closed !== '') return closed;
    try {
      const addresses = this.options.addresses();
      const report = await this.prepare({ kind: 'kept', version: this.written }, addresses);
      if (report.outcome === 'refused') return report.reasons.join('; ');
      if (!report.hasSameTargets) {
        const inForce = await this.options.swap(report.placed, null);
        this.inForce = inForce;
        this.options.onApplied(inForce);
      }
      this.addresses = addresses;
      return '';
    } catch (error) {
      return reasonOf(error);
    }
  }

  private record(trigger: ReloadTrigger, result: ReloadResult): void {
    const isApplied = result.outcome === 'applied';
    const reasons = isApplied ? [] : result.reasons;
    if (isApplied) this.applied += 1;
    else this.refused += 1;
    const atUnixMs = this.options.clock.unixMs();
    const { outcome } = result;
    // What a source has said and was refused is refused still.
    if (trigger !== 'restore') this.last = { atUnixMs, trigger, outcome, reasons };
    if (this.triedEpoch > 0) this.lastTrial = { epoch: this.triedEpoch, outcome, reasons };
    const { logger } = this.options;
    if (isApplied) {
      const { epoch, changes, changeCount } = result;
      const told = changes.slice(0, CHANGES_TOLD_MAX).map(formatChange);
      const counted = { trigger, epoch, changeCount, changes: told };
      logger.info(counted, 'configuration applied');
    } else {
      logger.error({ trigger, reasons }, 'configuration refused, the old one stays in force');
    }
  }
}

/**
 * Drops names that are no longer looked up: they may point elsewhere by the time they come back.
 */
function ofNamesIn({ upstreams }: ServedConfig, addresses: TargetAddresses): TargetAddresses {
  const names = new Set(upstreams.flatMap(({ resolve }) => resolve?.names ?? []));
  return new Map([...addresses].filter(([name]) => names.has(name)));
}

function refuse(reason: string): ReloadResult {
  return { outcome: 'refused', reasons: [reason] };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
