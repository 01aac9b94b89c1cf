/**
 * Who may use the admin listener, judged by the Host field and a bearer token.
 *
 * Thread: acceptor. Owns the token's digest; raises no error, answers with the refusal.
 *
 * A page that a browser has open may send requests to this machine. It can not read replies
 * (there is no CORS here), but a name that the page's owner lets point to 127.0.0.1 would make
 * them its own: so a Host that is a name must be one that is known. A request that changes
 * something needs a token in a field that no form and no foreign script can set.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { CompiledAdmin } from '../config/compiled-config.js';
import { type AdminReply, adminProblem } from './admin-handler.js';

export interface OriginOfRequest {
  readonly method: string;
  /** The field Host. */
  readonly host: string;
  /** The field Origin, or ''. */
  readonly origin: string;
}

export class AdminAccess {
  private names: ReadonlySet<string> = new Set();
  /** null: there is no token, and what needs one is refused. */
  private digest: Buffer | null = null;

  constructor(admin: CompiledAdmin) {
    this.adopt(admin);
  }

  /** Another configuration: its token and names count from now on. */
  adopt({ host, allowedHosts, token }: CompiledAdmin): void {
    this.names = new Set(['localhost', host.toLowerCase(), ...allowedHosts]);
    this.digest = token === '' ? null : digestOf(token);
  }

  /** null: the request is for this listener, not for a name that merely points here. */
  refuseHost(host: string): AdminReply | null {
    const name = hostName(host);
    if (isIP(name) !== 0 || this.names.has(name)) return null;
    const detail = 'the Host field names an unknown host; list it under admin.allowedHosts';
    return adminProblem(403, 'Forbidden', detail);
  }

  /**
   * null: no page of another origin is behind the request. Such a page can send a POST, even if it
   * may not read the reply (the Fetch standard, section 3.1.2), and answering one takes time.
   */
  refuseOrigin({ method, host, origin }: OriginOfRequest): AdminReply | null {
    if (origin === '' || method !== 'POST') return null;
    const own = host.toLowerCase();
    if (origin === `http://${own}` || origin === `https://${own}`) return null;
    return adminProblem(403, 'Forbidden', 'a page of another origin may not ask for this');
  }

  /** null: the Authorization field has the token. */
  refuseToken(authorization: string): AdminReply | null {
    if (this.digest === null) {
      const detail = 'this needs admin.token, which the configuration does not have';
      return adminProblem(403, 'Forbidden', detail);
    }
    const token = /^bearer +([!-~]+) *$/i.exec(authorization)?.[1] ?? '';
    if (timingSafeEqual(digestOf(token), this.digest)) return null;
    const detail = 'send the token of the configuration: Authorization: Bearer TOKEN';
    return adminProblem(401, 'Unauthorized', detail, [
      ['WWW-Authenticate', 'Bearer realm="sluice admin"'],
    ]);
  }
}

/** Of `name:port`, `[::1]:port` or either without a port. */
function hostName(host: string): string {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host.trim());
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

// Digests have one length: comparing them says nothing of the token, not even how long it is.
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
