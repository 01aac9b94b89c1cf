/** A client that speaks TLS with a gateway of this machine, one request a connection. */
import { connect, type TLSSocket, type ConnectionOptions as TlsOptions } from 'node:tls';

export interface TlsAnswer {
  readonly status: number;
  /** SHA-256 of the certificate that was shown; empty: the session was resumed. */
  readonly fingerprint: string;
  readonly isResumed: boolean;
  /** The newest ticket that the server gave; null: none. */
  readonly session: Buffer | null;
}

/** Rejects when the handshake fails, or the connection ends before a head. */
export function askSecurely(port: number, options: TlsOptions): Promise<TlsAnswer> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  const host = options.servername ?? 'a';
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return answerOn(socket);
}

function answerOn(socket: TLSSocket): Promise<TlsAnswer> {
  let text = '';
  let session: Buffer | null = null;
  let fingerprint = '';
  let isResumed = false;
  return new Promise((resolve, reject) => {
    socket.setEncoding('latin1');
    socket.on('secureConnect', () => {
      isResumed = socket.isSessionReused();
      fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
    });
    socket.on('session', (ticket) => {
      session = ticket;
    });
    socket.on('data', (more) => {
      text += more;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [, status] = /^HTTP\/1.1 (\d+) /.exec(text) ?? [];
      if (status === undefined) reject(new Error(`no head: ${JSON.stringify(text)}`));
      else resolve({ status: Number(status), fingerprint, isResumed, session });
    });
  });
}
