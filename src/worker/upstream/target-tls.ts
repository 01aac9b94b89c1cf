/**
 * How TLS is spoken with a target: by its settings, and with what is left of an earlier handshake.
 *
 * Thread: worker, and the main thread for health checks. Owns the contexts of this thread, one for
 * each kind of settings, and of each target the session that was agreed upon last.
 *
 * Invariant: a session is used only under the settings, and for the name, under which its
 * certificate was verified: a resumed session verifies nothing. Every hour it is verified anew.
 * Between workloads (SPIFFE) no session is ever taken up, and every connection is judged.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { CompiledTargetTls } from '../../config/compiled-target-tls.js';
import type { TargetSpiffe } from '../../config/spiffe-settings.js';
import { NO_IDENTITY, PIN_MISMATCH, TargetTlsError } from './tls-failure.js';
import type { WorkloadIdentity } from './workload-identity.js';

const VERIFIED_MS_MAX = 3_600_000;

/** For connect() of node:tls, beside an address. */
export interface TargetTlsOptions {
  readonly secureContext: SecureContext;
  /** SNI; empty: none. */
  readonly servername: string;
  readonly ALPNProtocols: readonly string[];
  readonly rejectUnauthorized: boolean;
  checkServerIdentity(host: string, certificate: PeerCertificate): Error | undefined;
}

const contexts = new WeakMap<CompiledTargetTls, SecureContext>();

/** Parsing certificates takes a while: once for all targets that have the same settings. */
function contextOf(settings: CompiledTargetTls): SecureContext {
  const known = contexts.get(settings);
  if (known !== undefined) return known;
  const { ca, cert, key, minVersion } = settings;
  const context = createSecureContext({
    minVersion,
    ...(ca !== '' && { ca }),
    ...(cert !== '' && { cert, key }),
  });
  contexts.set(settings, context);
  return context;
}

/** The TLS of one target. */
export class TargetTls {
  private made: TargetTlsOptions | null = null;
  private session: Buffer | null = null;
  /** When a certificate was looked at last, by the same clock as `nowMs`. */
  private verifiedMs = 0;

  /**
   * `serverName`: what the certificate must be for, whatever address is connected to; `protocols`:
   * what is offered by ALPN, the one that is liked best first.
   */
  constructor(
    private readonly settings: CompiledTargetTls,
    private readonly serverName: string,
    private readonly protocols: readonly string[],
    private readonly workload: WorkloadIdentity,
  ) {}

  /** Why no connection can be made now; null: one can. */
  get lack(): TargetTlsError | null {
    const { spiffe } = this.settings;
    const lack = spiffe === null ? '' : this.workload.lackFor(spiffe);
    return lack === '' ? null : new TargetTlsError(NO_IDENTITY, lack);
  }

  /** @throws TargetTlsError when there is a {@link lack}. */
  get options(): TargetTlsOptions {
    const { settings, serverName } = this;
    if (settings.spiffe !== null) return this.optionsOfWorkload(settings.spiffe);
    this.made ??= {
      secureContext: contextOf(settings),
      // An address must not be sent as a name (RFC 6066 3).
      servername: isIP(serverName) === 0 ? serverName : '',
      ALPNProtocols: this.protocols,
      rejectUnauthorized: settings.verifies,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    };
    return this.made;
  }

  /** Made for each connection: by the identity, and the authorities, of that moment. */
  private optionsOfWorkload(spiffe: TargetSpiffe): TargetTlsOptions {
    const { settings, serverName, workload } = this;
    return {
      secureContext: workload.contextFor(spiffe, settings.minVersion),
      servername: isIP(serverName) === 0 ? serverName : '',
      ALPNProtocols: this.protocols,
      rejectUnauthorized: true,
      checkServerIdentity: (_host, { raw }) => workload.mistakeOf(raw, spiffe) ?? undefined,
    };
  }

  /** The same, which may take up the last session. */
  resumingOptions(nowMs: number): TargetTlsOptions & { readonly session?: Buffer } {
    if (this.settings.spiffe !== null) return this.options;
    if (nowMs - this.verifiedMs > VERIFIED_MS_MAX) this.session = null;
    const { options, session } = this;
    return session === null ? options : { ...options, session };
  }

  /** The handshake is over, and the certificate passed. Returns what is wrong all the same. */
  onSecure(socket: TLSSocket, nowMs: number): TargetTlsError | null {
    const { pins, spiffe } = this.settings;
    // Where a session is resumed Node.js asks nobody who the other side is, and has no certificate
    // of it either: whoever came here by one is refused.
    const mistake = spiffe === null ? null : this.mistakeOfWorkload(socket, spiffe);
    if (mistake !== null) return mistake;
    if (socket.isSessionReused()) return null;
    this.verifiedMs = nowMs;
    if (pins.length === 0 || pins.includes(pinOf(socket))) return null;
    return new TargetTlsError(PIN_MISMATCH, 'no pin fits the key of its certificate');
  }

  private mistakeOfWorkload(socket: TLSSocket, spiffe: TargetSpiffe): TargetTlsError | null {
    const certificate = socket.getPeerX509Certificate();
    return this.workload.mistakeOf(certificate?.raw ?? Buffer.alloc(0), spiffe);
  }

  /** A session that may be taken up by another connection. */
  onSession(session: Buffer): void {
    if (this.settings.spiffe === null) this.session = session;
  }

  /** A handshake has failed: the next one begins from nothing. */
  forgetSession(): void {
    this.session = null;
  }
}

/** SHA-256 of the key of the peer's own certificate (RFC 7469 2.4) in base64; empty: no such. */
function pinOf(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return '';
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}
