/**
 * Reads the files of one listener's TLS, and keeps what could be read last.
 *
 * Thread: supervisor (on the main thread). Owns the pairs. Invariant: what is kept was sound when
 * it was read: a file with a mistake changes nothing.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileProblem } from '../../base/system-problem.js';
import { shareCopyOfBytes } from '../../channel/shared-texts.js';
import { sharePem, TICKET_KEY_BYTES } from '../../channel/tls-material.js';
import { stapleProblem } from '../../config/references/ocsp-response.js';
import { isRemembered, looksOf, recallPair } from '../../config/references/read-pairs.js';
import {
  authoritiesProblem,
  type PairReading,
  readServerPair,
  revocationsProblem,
} from '../../config/references/server-certificate.js';
import type { CertificateFiles, TlsSettings } from '../../config/tls-settings.js';
import type { SharedServerPair } from './unite-pairs.js';

/** A pair takes a third of a millisecond to read. */
const PAIRS_PER_TURN = 8;

export interface LoadedPair extends SharedServerPair {
  /** For people: the file of the certificate. */
  readonly source: string;
  readonly startsAtUnixMs: number;
  readonly expiresAtUnixMs: number;
}

/** What was wrong with a file, for the log. */
export interface FileMistake {
  readonly file: string;
  readonly problem: string;
}

export class ListenerFiles {
  /** By what was configured, in its order. */
  private pairs = new Map<string, LoadedPair>();
  /** Digests of files that were refused last, by what was configured. */
  private readonly refused = new Map<string, string>();
  private authorities = '';
  private revocations = '';
  private ownTicketKeys: Buffer | null = null;
  private settings: TlsSettings | null = null;

  /** `onNote`: a certificate works and is odd. */
  constructor(
    private readonly onMistake: (mistake: FileMistake) => void,
    private readonly onNote: (mistake: FileMistake) => void,
  ) {}

  get loadedPairs(): readonly LoadedPair[] {
    return [...this.pairs.values()];
  }

  get clientCa(): string {
    return this.authorities;
  }

  get clientCrl(): string {
    return this.revocations;
  }

  /** Whether all is there that clients' certificates are judged by. */
  get isComplete(): boolean {
    const client = this.settings?.clientCertificates ?? null;
    if (client === null) return true;
    return this.authorities !== '' && (client.crl === '' || this.revocations !== '');
  }

  /** Keys of a file; null: there is none. */
  get ticketKeys(): Buffer | null {
    return this.ownTicketKeys;
  }

  /** Every file of these settings. */
  static filesOf({ certificates, clientCertificates, tickets }: TlsSettings): string[] {
    const files = certificates.flatMap(({ cert, key, ocsp }) => [cert, key, ocsp]);
    files.push(clientCertificates?.ca ?? '', clientCertificates?.crl ?? '', tickets.file);
    return files.filter((file) => file !== '');
  }

  /** Reads what is new in the settings, and the files that have changed. */
  async load(settings: TlsSettings, changed: ReadonlySet<string>): Promise<void> {
    const isNew = (file: string, before: string | undefined): boolean =>
      file !== '' && (changed.has(file) || file !== before);
    const old = this.settings;
    await this.loadPairs(settings.certificates, changed);
    const { clientCertificates: client } = settings;
    const { ca = '', crl = '' } = client ?? {};
    if (isNew(ca, old?.clientCertificates?.ca)) {
      this.authorities = await this.text(ca, authoritiesProblem, this.authorities);
    }
    if (crl === '') this.revocations = '';
    else if (isNew(crl, old?.clientCertificates?.crl)) {
      this.revocations = await this.text(crl, revocationsProblem, this.revocations);
    }
    const { file } = settings.tickets;
    if (file === '') this.ownTicketKeys = null;
    else if (isNew(file, old?.tickets.file)) await this.loadTicketKeys(file);
    this.settings = settings;
  }

  private async loadPairs(
    wanted: readonly CertificateFiles[],
    changed: ReadonlySet<string>,
  ): Promise<void> {
    const loaded = new Map<string, LoadedPair>();
    // A reload tells of what is still refused once more.
    if (changed.size === 0) this.refused.clear();
    let read = 0;
    let isWhole = true;
    for (const files of wanted) {
      const id = JSON.stringify(files);
      const known = this.pairs.get(id);
      const isChanged = [files.cert, files.key, files.ocsp].some((file) => changed.has(file));
      const pair = known === undefined || isChanged ? await this.readPair(id, files) : known;
      const kept = pair ?? known;
      if (kept === undefined) isWhole = false;
      else loaded.set(id, kept);
      if (pair === known) continue;
      read += 1;
      if (read % PAIRS_PER_TURN === 0) await nextTurn();
    }
    // What comes in the place of others cannot be read: they stay until it can.
    const others = isWhole ? [] : [...this.pairs].filter(([id]) => !loaded.has(id));
    this.pairs = new Map([...loaded, ...others]);
  }

  private async readPair(id: string, files: CertificateFiles): Promise<LoadedPair | undefined> {
    const reading = (await this.checkedPair(files)) ?? (await this.readAnew(id, files));
    const staple = await this.staple(id, files.ocsp);
    if (reading === null || 'problem' in reading) return undefined;
    this.refused.delete(id);
    const { chain, key: keyText, kind, names, notes } = reading.pair;
    for (const problem of notes) this.onNote({ file: files.cert, problem });
    return {
      ...{ id: reading.pair.id, kind, names, source: files.cert },
      chain: sharePem(chain),
      key: sharePem(keyText),
      startsAtUnixMs: reading.pair.startsAtUnixMs,
      expiresAtUnixMs: reading.pair.expiresAtUnixMs,
      staple,
    };
  }

  /** One that is none, as while it is being written, leaves that of before. */
  private async staple(id: string, file: string): Promise<LoadedPair['staple']> {
    const bytes = file === '' ? undefined : await this.bytes(file);
    if (bytes === undefined) return null;
    const problem = stapleProblem(bytes);
    if (problem === undefined) return shareCopyOfBytes(bytes);
    const before = this.pairs.get(id)?.staple ?? null;
    const without = before === null ? '; the certificate is served without it' : '';
    this.onMistake({ file, problem: `${problem}${without}` });
    return before;
  }

  /** As the check of the configuration has just read it, in this thread; null: it has not. */
  private async checkedPair(files: CertificateFiles): Promise<PairReading | null> {
    if (!isRemembered(files)) return null;
    try {
      const found = recallPair(files, looksOf([await stat(files.cert), await stat(files.key)]));
      return found === null || 'problem' in found ? null : found;
    } catch {
      // Reading says what is wrong.
      return null;
    }
  }

  /** null: the files cannot be read. */
  private async readAnew(id: string, files: CertificateFiles): Promise<PairReading | null> {
    const cert = await this.bytes(files.cert);
    const key = await this.bytes(files.key);
    if (cert === undefined || key === undefined) return null;
    const texts = { cert: cert.toString('latin1'), key: key.toString('latin1') };
    const reading = readServerPair({ ...texts, names: files.names });
    if ('problem' in reading) {
      const file = reading.part === 'key' ? files.key : files.cert;
      // Of two files each comes to rest on its own: the same pair may be read twice.
      const digest = createHash('sha256').update(cert).update(key).digest('hex');
      if (this.refused.get(id) !== digest) this.onMistake({ file, problem: reading.problem });
      this.refused.set(id, digest);
    }
    return reading;
  }

  private async loadTicketKeys(file: string): Promise<void> {
    const keys = await this.bytes(file);
    if (keys === undefined) return;
    if (keys.length === TICKET_KEY_BYTES) this.ownTicketKeys = keys;
    else this.onMistake({ file, problem: `has ${keys.length} bytes and not ${TICKET_KEY_BYTES}` });
  }

  /** The text of a file, or the one before when there is something wrong with it. */
  private async text(
    file: string,
    problemOf: (text: string) => string | undefined,
    before: string,
  ): Promise<string> {
    const text = (await this.bytes(file))?.toString('latin1');
    if (text === undefined) return before;
    const problem = problemOf(text);
    if (problem === undefined) return text;
    this.onMistake({ file, problem });
    return before;
  }

  private async bytes(file: string): Promise<Buffer | undefined> {
    try {
      return await readFile(file);
    } catch (error) {
      this.onMistake({ file, problem: `cannot be read: ${fileProblem(error)}` });
      return undefined;
    }
  }
}
