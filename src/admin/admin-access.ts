/**
 * Decides who may use the admin listener, by the Host field and a bearer token.
 *
 * Thread: supervisor (on the main thread). Owns the token's digest; throws nothing, and answers
 * with the refusal.
 *
 * A page in a browser may send requests to this machine. It cannot read the replies (there is no
 * CORS here), unless its owner lets a name of the page point to 127.0.0.1: then the browser takes
 * the replies for the page's own. So a Host that is a name must be a known name. A request that
 * changes something needs a token in a field that no form and no foreign script can set.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { CompiledAdmin } from '../config/compiled-config.js';
import { type AdminReply, adminProblem } from './admin-handler.js';

export interface OriginOfRequest {
  readonly method: string;
  /** The Host field. */
  readonly host: string;
  /** The Origin field, or ''. */
  readonly origin: string;
}

export class AdminAccess {
  private names: ReadonlySet<string> = new Set();
  /** null: there is no token, and requests that need one are refused. */
  private digest: Buffer | null = null;

  constructor(admin: CompiledAdmin) {
    this.adopt(admin);
  }

  /** Takes another configuration, whose token and names count from now on. */
  adopt({ host, allowedHosts, token }: CompiledAdmin): void {
    this.names = new Set(['localhost', host.toLowerCase(), ...allowedHosts]);
    this.digest = token === '' ? null : digestOf(token);
  }

  /**
   * null: the request is meant for this listener, and does not come by a foreign name that points
   * here.
   */
  refuseHost(host: string): AdminReply | null {
    const name = hostName(host);
    if (isIP(name) !== 0 || this.names.has(name)) return null;
    const detail = 'the Host field names an unknown host; list it under admin.allowedHosts';
    return adminProblem(403, 'Forbidden', detail);
  }

  /**
   * null: no page of another origin has sent the request. Such a page can send a POST, even if it
   * may not read the reply (the Fetch standard, section 3.1.2), and answering a POST takes time.
   */
  refuseOrigin({ method, host, origin }: OriginOfRequest): AdminReply | null {
    if (origin === '' || method === 'GET' || method === 'HEAD') return null;
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

/** The host of `name:port`, of `[::1]:port`, or of either without a port. */
function hostName(host: string): string {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host.trim());
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

// Digests have one length, so that a comparison reveals nothing of the token, not even its length.
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
