/**
 * Certificates of all listeners: read, watched, and handed to the acceptors.
 *
 * Thread: supervisor (on the main thread). Owns what each listener shows its clients. Files are
 * looked at every second, and less often where there are thousands. A file with a mistake changes
 * nothing: the log says so, and a figure counts it.
 */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import {
  type ClientCertificateRule,
  sharePem,
  type TlsCertificate,
  type TlsMaterial,
  type TlsServerSettings,
} from '../../channel/tls-material.js';
import { NO_WORKLOAD, type WorkloadMaterial } from '../../channel/workload-material.js';
import type { ListenerSettings } from '../../config/listener-settings.js';
import { forgetPairs } from '../../config/references/read-pairs.js';
import { readServerPair } from '../../config/references/server-certificate.js';
import type { ListenerSpiffe } from '../../config/spiffe-settings.js';
import type { TlsSettings } from '../../config/tls-settings.js';
import type { CertificatesStatus } from '../../observability/gateway-status.js';
import { type ExpiringCertificate, ExpiryWarnings } from './expiry.js';
import { ListenerFiles, type LoadedPair } from './listener-files.js';
import { TicketKeys } from './ticket-keys.js';
import { unitePairs } from './unite-pairs.js';
import { WatchedFiles } from './watched-files.js';

const LOOK_MS = 1000;
/** A look that takes long is followed by a pause that is this much longer. */
const PAUSE_PER_LOOK = 9;
const EXPIRY_LOOK_MS = 60 * 60 * 1000;

export interface CertificatesOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Hands it to all acceptors, and to those that start later. */
  tell(listener: number, material: TlsMaterial): void;
}

type SecureListener = ListenerSettings & { readonly tls: TlsSettings };

/** Certificates that come from elsewhere than files: ACME. */
export interface FurtherPairs {
  readonly pairs: readonly LoadedPair[];
  readonly challenges: readonly TlsCertificate[];
}

const NO_FURTHER: FurtherPairs = { pairs: [], challenges: [] };

interface Kept {
  settings: SecureListener;
  readonly files: ListenerFiles;
  further: FurtherPairs;
}

export class Certificates {
  private readonly kept = new Map<number, Kept>();
  private readonly watched = new WatchedFiles();
  private readonly ticketKeys: TicketKeys;
  private readonly warnings: ExpiryWarnings;
  private readonly expiryLooks: Timer;
  private timer: Timer | null = null;
  private tail: Promise<void> = Promise.resolve();
  private refused = 0;
  private lastRefusal = '';
  private workload: WorkloadMaterial = NO_WORKLOAD;
  /** Its certificate; null: there is none. */
  private ownPair: LoadedPair | null = null;
  private isStopped = false;

  constructor(private readonly options: CertificatesOptions) {
    const { clock, logger } = options;
    this.warnings = new ExpiryWarnings(logger);
    this.ticketKeys = new TicketKeys(clock, (rotateMs) => {
      for (const [index, { settings }] of this.kept) {
        if (settings.tls.tickets.rotateMs === rotateMs) this.tell(index);
      }
    });
    this.expiryLooks = clock.every(EXPIRY_LOOK_MS, () => this.warn());
  }

  /**
   * Reads what these listeners need. Resolves when the acceptors were told. Never rejects: what
   * cannot be read is told in the log, and the listener goes on with what it has.
   */
  adopt(listeners: readonly ListenerSettings[]): Promise<void> {
    return this.queue(async () => {
      const secure = listeners.filter(hasTls);
      const files = secure.flatMap(({ tls }) => ListenerFiles.filesOf(tls));
      await this.watched.adopt(files);
      for (const index of [...this.kept.keys()]) {
        if (!secure.some((one) => one.index === index)) this.kept.delete(index);
      }
      for (const settings of secure) await this.load(settings, NOTHING);
      forgetPairs();
      const periods = secure.map(({ tls }) => tls.tickets.rotateMs);
      this.ticketKeys.keepOnly(new Set(periods));
      this.warn();
      this.watchLater(LOOK_MS);
    });
  }

  /** Certificates of a listener that are not files. */
  setFurther(listener: number, further: FurtherPairs): void {
    const kept = this.kept.get(listener);
    if (kept === undefined) return;
    kept.further = further;
    this.tell(listener);
  }

  /** Listeners with `tls.spiffe` show this, and believe these authorities. */
  setWorkload(material: WorkloadMaterial): void {
    this.workload = material;
    this.ownPair = pairOfWorkload(material);
    for (const [index, { settings }] of this.kept) {
      if (settings.tls.spiffe !== null) this.tell(index);
    }
  }

  status(): Omit<CertificatesStatus, 'acme'> {
    const certificates = this.expiring().flatMap((one) =>
      (one.names.length > 0 ? one.names : ['']).map((name) => ({
        listener: one.listener,
        source: one.source,
        name,
        expiresAtUnixMs: one.expiresAtUnixMs,
      })),
    );
    return { certificates, refused: this.refused, lastRefusal: this.lastRefusal };
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
    this.expiryLooks.cancel();
    this.ticketKeys.stop();
  }

  private queue(step: () => Promise<void>): Promise<void> {
    this.tail = this.tail.then(step).catch((error: unknown) => {
      this.options.logger.error({ err: error }, 'internal error');
    });
    return this.tail;
  }

  private watchLater(delayMs: number): void {
    this.timer?.cancel();
    if (this.isStopped || this.kept.size === 0) return;
    this.timer = this.options.clock.after(delayMs, () => void this.queue(() => this.look()));
  }

  private async look(): Promise<void> {
    if (this.isStopped) return;
    const { nowMs } = this.options.clock;
    const beganMs = nowMs();
    const changed = await this.watched.look();
    const tookMs = nowMs() - beganMs;
    for (const { settings } of changed.size > 0 ? [...this.kept.values()] : []) {
      if (ListenerFiles.filesOf(settings.tls).some((file) => changed.has(file))) {
        await this.load(settings, changed);
      }
    }
    if (changed.size > 0) this.warn();
    this.watchLater(Math.max(LOOK_MS, tookMs * PAUSE_PER_LOOK));
  }

  private async load(settings: SecureListener, changed: ReadonlySet<string>): Promise<void> {
    const { index, name } = settings;
    const kept = this.kept.get(index) ?? this.keep(settings);
    const before = idsOf(kept.files.loadedPairs);
    kept.settings = settings;
    await kept.files.load(settings.tls, changed);
    if (this.isStopped) return;
    const ids = idsOf(kept.files.loadedPairs);
    if (before !== ids && before !== '') {
      const sources = [...changed].slice(0, 10);
      this.options.logger.info({ listener: name, files: sources }, 'certificates replaced');
    }
    this.tell(index);
  }

  private keep(settings: SecureListener): Kept {
    const { logger } = this.options;
    const { name: listener } = settings;
    const files = new ListenerFiles(
      ({ file, problem }) => {
        this.refused += 1;
        this.lastRefusal = `${file}: ${problem}`;
        const message = 'a file of TLS was refused, the old one stays in use';
        logger.error({ listener, file, problem }, message);
      },
      ({ file, problem }) => logger.warn({ listener, file, problem }, 'a certificate is odd'),
    );
    const kept = { settings, files, further: NO_FURTHER };
    this.kept.set(settings.index, kept);
    return kept;
  }

  private tell(index: number): void {
    const kept = this.kept.get(index);
    if (kept !== undefined) this.options.tell(index, this.materialOf(kept));
  }

  private materialOf({ settings, files, further }: Kept): TlsMaterial {
    const { tls } = settings;
    const rule = tls.spiffe === null ? ruleOfFiles(tls, files) : this.ruleOfWorkloads(tls.spiffe);
    // Without its authorities a listener would trust the public ones: nobody gets in then.
    const isComplete = files.isComplete && rule?.ca !== '';
    const pairs = isComplete ? this.pairsOf({ settings, files, further }) : [];
    const { certificates, first } = unitePairs(pairs);
    return {
      server: serverSettings(settings, rule),
      certificates,
      fallback: tls.strictSni ? -1 : first,
      ticketKeys: files.ticketKeys ?? this.ticketKeys.keysFor(tls.tickets.rotateMs),
      challenges: further.challenges,
    };
  }

  private pairsOf({ settings, files, further }: Kept): LoadedPair[] {
    if (settings.tls.spiffe === null) return [...files.loadedPairs, ...further.pairs];
    return this.ownPair === null ? [] : [this.ownPair];
  }

  /** null: clients are not asked for certificates. */
  private ruleOfWorkloads({ clients, trustDomains }: ListenerSpiffe): ClientCertificateRule | null {
    if (clients === 'none') return null;
    const { svid, bundles: all } = this.workload;
    const domains = trustDomains.length > 0 ? trustDomains : [svid?.trustDomain ?? ''];
    const bundles = all.filter(({ trustDomain }) => domains.includes(trustDomain));
    const ca = bundles.flatMap(({ authorities }) => authorities).join('');
    return { mode: clients, ca, crl: '', bundles };
  }

  private expiring(): ExpiringCertificate[] {
    return [...this.kept.values()].flatMap((kept) =>
      this.pairsOf(kept).map((pair) => ({
        ...{ listener: kept.settings.name, id: pair.id, source: pair.source, names: pair.names },
        startsAtUnixMs: pair.startsAtUnixMs,
        expiresAtUnixMs: pair.expiresAtUnixMs,
      })),
    );
  }

  private warn(): void {
    this.warnings.look(this.expiring(), this.options.clock.unixMs());
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** HTTP/1.0 is what some old clients name. */
const HTTP1 = ['http/1.1', 'http/1.0'];

/** What is offered by ALPN, by preference. */
function alpnOf({ protocols }: SecureListener): string[] {
  const http2 = protocols.includes('h2') ? ['h2'] : [];
  return protocols.includes('http1') ? [...http2, ...HTTP1] : http2;
}

function ruleOfFiles(
  { clientCertificates }: TlsSettings,
  { clientCa: ca, clientCrl: crl }: ListenerFiles,
): ClientCertificateRule | null {
  if (clientCertificates === null) return null;
  return { mode: clientCertificates.mode, ca, crl, bundles: null };
}

/** null: there is none that can be used. */
function pairOfWorkload({ svid }: WorkloadMaterial): LoadedPair | null {
  if (svid === null) return null;
  const reading = readServerPair({ cert: svid.chain, key: svid.key, names: [] });
  if ('problem' in reading) return null;
  const { id, kind, names, chain, key } = reading.pair;
  const { startsAtUnixMs, expiresAtUnixMs } = svid;
  return {
    ...{ id, kind, names, source: 'spiffe', staple: null, startsAtUnixMs, expiresAtUnixMs },
    chain: sharePem(chain),
    key: sharePem(key),
  };
}

function serverSettings(
  settings: SecureListener,
  clientCertificates: ClientCertificateRule | null,
): TlsServerSettings {
  const { tls, handshakeMs } = settings;
  const server = {
    ...{ minVersion: tls.minVersion, maxVersion: tls.maxVersion, ciphers: tls.ciphers },
    ...{ protocols: alpnOf(settings), handshakeMs },
    clientCertificates,
  };
  const id = createHash('sha256').update(JSON.stringify(server)).digest('hex');
  return { id, ...server };
}

function hasTls(settings: ListenerSettings): settings is SecureListener {
  return settings.tls !== null;
}

function idsOf(pairs: readonly LoadedPair[]): string {
  return pairs.map(({ id }) => id).join(' ');
}
