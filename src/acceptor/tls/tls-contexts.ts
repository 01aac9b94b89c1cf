/**
 * The TLS servers of one listener: one for each certificate, made when a client first asks for it.
 *
 * Thread: acceptor. Owns the native contexts, which cost about a millisecond and 40 KiB each: the
 * least recently used go when there are CONTEXTS_MAX. None of the servers listens: they are handed
 * sockets. As each certificate has a server of its own, OpenSSL chooses between its ECDSA and RSA
 * pair by itself, which it does not when SNICallback exchanges contexts (nodejs/node#54235).
 *
 * Invariant: a session is resumed only under the name that it began under where clients have
 * certificates, and only under the same certificate's names elsewhere. A ticket holds the client's
 * certificate, and OpenSSL does not compare names.
 */
import { constants, createHash } from 'node:crypto';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import {
  pemText,
  type TlsCertificate,
  type TlsMaterial,
  type TlsServerSettings,
} from '../../channel/tls-material.js';

/** About 40 MiB. */
const CONTEXTS_MAX = 1000;
/** The protocol by which an ACME server looks at a challenge (RFC 8737). */
export const ACME_PROTOCOL = 'acme-tls/1';

/** OpenSSL takes 32 bytes at most. */
const SESSION_SCOPE_CHARS = 32;

/** Whom the servers tell. */
export interface ContextHost {
  onSecure(socket: TLSSocket): void;
  onClientError(error: Error, socket: TLSSocket): void;
}

/** The certificate for a name, and what its sessions are bound to. */
interface Choice {
  readonly certificate: TlsCertificate;
  /** The name by which it was found. */
  readonly pattern: string;
  readonly serverName: string;
}

export class TlsContexts {
  /** The one used last is the last. */
  private readonly servers = new Map<string, Server>();
  private names: ReadonlyMap<string, TlsCertificate> = new Map();
  private challenges: ReadonlyMap<string, TlsCertificate> = new Map();

  constructor(
    private readonly host: ContextHost,
    private material: TlsMaterial,
  ) {
    this.adopt(material);
  }

  /** Handshakes that begin from now on go by this. Servers that stay the same are kept. */
  adopt(material: TlsMaterial): void {
    const { server, certificates, ticketKeys } = material;
    const isSame = server.id === this.material.server.id;
    const hasSameKeys = Buffer.compare(ticketKeys, this.material.ticketKeys) === 0;
    const kept = new Set(isSame ? certificates.map(({ id }) => id) : []);
    for (const [key, known] of this.servers) {
      if (!kept.has(certificateOf(key))) this.servers.delete(key);
      else if (!hasSameKeys) known.setTicketKeys(Buffer.from(ticketKeys));
    }
    this.material = material;
    this.names = byName(certificates);
    this.challenges = byName(material.challenges);
  }

  /**
   * The server for a name; null: none may speak for it.
   *
   * @throws Error of OpenSSL when the certificate cannot be used.
   */
  serverFor(serverName: string, protocols: readonly string[]): Server | null {
    if (protocols.length === 1 && protocols[0] === ACME_PROTOCOL) {
      return this.challengeServer(serverName);
    }
    const choice = this.choose(serverName);
    if (choice === null) return null;
    const key = `${choice.certificate.id} ${this.scopeOf(choice)}`;
    const known = this.servers.get(key);
    if (known !== undefined) {
      this.servers.delete(key);
      this.servers.set(key, known);
      return known;
    }
    const server = this.createServer(choice);
    this.servers.set(key, server);
    const [oldest] = this.servers.keys();
    if (this.servers.size > CONTEXTS_MAX && oldest !== undefined) this.servers.delete(oldest);
    return server;
  }

  /** A connection that was opened for the first name has the certificate of the other as well. */
  isSameCertificate(serverName: string, otherName: string): boolean {
    return this.choose(serverName)?.certificate === this.choose(otherName)?.certificate;
  }

  private choose(serverName: string): Choice | null {
    const exact = this.names.get(serverName);
    if (exact !== undefined) return { certificate: exact, pattern: serverName, serverName };
    const dot = serverName.indexOf('.');
    const pattern = dot === -1 ? '' : `*${serverName.slice(dot)}`;
    const wild = this.names.get(pattern);
    if (wild !== undefined) return { certificate: wild, pattern, serverName };
    const certificate = this.material.certificates[this.material.fallback];
    return certificate === undefined ? null : { certificate, pattern: '', serverName };
  }

  /** The name to which sessions are bound beside the certificate; `*`: there are none. */
  private scopeOf({ pattern, serverName }: Choice): string {
    const { clientCertificates: rule } = this.material.server;
    if (rule === null) return '';
    // Workloads are judged at every connection, by what holds then.
    if (rule.bundles !== null) return '*';
    return pattern === serverName ? pattern : '*';
  }

  private createServer(choice: Choice): Server {
    const { certificate } = choice;
    const { server, ticketKeys } = this.material;
    const scope = this.scopeOf(choice);
    const options: TlsOptions = {
      ...pemOf(certificate),
      ...optionsOf(server),
      ALPNProtocols: [...server.protocols],
      ticketKeys: Buffer.from(ticketKeys),
      sessionIdContext: sessionScope(server.id, certificate.names.join(' '), scope),
    };
    if (scope === '*') options.secureOptions = NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET;
    const made = this.listenTo(createServer(options));
    const { staple } = certificate;
    if (staple !== null) {
      const answer = Buffer.from(staple);
      made.on('OCSPRequest', (_certificate, _issuer, done) => done(null, answer));
    }
    return made;
  }

  /** Made for each question: an ACME server asks a few times, and never again. */
  private challengeServer(serverName: string): Server | null {
    const certificate = this.challenges.get(serverName);
    if (certificate === undefined) return null;
    const { handshakeMs } = this.material.server;
    return this.listenTo(
      createServer({
        ...pemOf(certificate),
        ALPNProtocols: [ACME_PROTOCOL],
        minVersion: 'TLSv1.2',
        handshakeTimeout: handshakeMs,
        secureOptions: NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
      }),
    );
  }

  private listenTo(server: Server): Server {
    const { host } = this;
    server.on('secureConnection', (socket) => host.onSecure(socket));
    server.on('tlsClientError', (error, socket) => host.onClientError(error, socket));
    return server;
  }
}

const NO_RENEGOTIATION = constants.SSL_OP_NO_RENEGOTIATION;

function optionsOf(server: TlsServerSettings): TlsOptions {
  const { clientCertificates: rule } = server;
  return {
    minVersion: server.minVersion,
    maxVersion: server.maxVersion,
    ciphers: server.ciphers,
    honorCipherOrder: true,
    ecdhCurve: 'auto',
    handshakeTimeout: server.handshakeMs,
    secureOptions: NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
    ...(rule !== null && {
      requestCert: true,
      // A client without a certificate counts as one that does not verify.
      rejectUnauthorized: rule.mode === 'require',
      ca: rule.ca,
      ...(rule.crl !== '' && { crl: rule.crl }),
      // An authority of a bundle need not be signed by itself.
      ...(rule.bundles !== null && { allowPartialTrustChain: true }),
    }),
  };
}

function pemOf({ pairs }: TlsCertificate): { cert: string[]; key: string[] } {
  return {
    cert: pairs.map(({ chain }) => pemText(chain)),
    key: pairs.map(({ key }) => pemText(key)),
  };
}

function byName(certificates: readonly TlsCertificate[]): Map<string, TlsCertificate> {
  const names = new Map<string, TlsCertificate>();
  for (const certificate of certificates) {
    for (const name of certificate.names) if (!names.has(name)) names.set(name, certificate);
  }
  return names;
}

function certificateOf(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

function sessionScope(...parts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts));
  return hash.digest('hex').slice(0, SESSION_SCOPE_CHARS);
}
