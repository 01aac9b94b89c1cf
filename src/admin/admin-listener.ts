/**
 * The second port, for operators: finds the handler of a request, checks the caller, sends the
 * reply.
 *
 * Thread: acceptor. Owns its listen socket.
 */

import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { StartupError } from '../base/startup-error.js';
import type { CompiledAddress } from '../config/compiled-config.js';
import type { AdminAccess } from './admin-access.js';
import { type AdminHandler, type AdminReply, adminProblem } from './admin-handler.js';

/** The part of the library that a listener needs. */
export interface AdminNative {
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  App(): AdminApp;
  us_listen_socket_close(socket: us_listen_socket): void;
  us_socket_local_port(socket: us_listen_socket): number;
}

interface AdminApp {
  any(pattern: string, handler: (res: HttpResponse, req: HttpRequest) => void): unknown;
  listen(
    host: string,
    port: number,
    options: number,
    cb: (socket: us_listen_socket | false) => void,
  ): unknown;
  close(): unknown;
}

/** Longest body of a request; a longer one gets 413. */
export const ADMIN_BODY_BYTES_MAX = 64 * 1024;

/** The head of a request. The library does not let anybody read it later. */
interface AdminHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly origin: string;
  readonly authorization: string;
}

export class AdminListener {
  private readonly app: AdminApp;
  private readonly handlers = new Map<string, Map<string, AdminHandler>>();

  constructor(
    private readonly native: AdminNative,
    handlers: readonly AdminHandler[],
    private readonly access: AdminAccess,
    private readonly onError: (error: unknown) => void,
  ) {
    for (const handler of handlers) {
      const ofPath = this.handlers.get(handler.path) ?? new Map<string, AdminHandler>();
      this.handlers.set(handler.path, ofPath.set(handler.method, handler));
    }
    this.app = native.App();
    this.app.any('/*', (res, req) => this.onRequest(res, readHead(req)));
  }

  /** Binds the port, and resolves with it. */
  listen(address: CompiledAddress): Promise<number> {
    const { host, port } = address;
    return new Promise((resolve, reject) => {
      this.app.listen(host, port, this.native.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
        if (socket === false) {
          const reason = 'the address is in use or not ours';
          reject(new StartupError(`cannot listen on ${host}:${port} for admin: ${reason}`));
        } else resolve(this.native.us_socket_local_port(socket));
      });
    });
  }

  close(): void {
    this.app.close();
  }

  private onRequest(res: HttpResponse, head: AdminHead): void {
    const replier = new Replier(res, head.method);
    const found = this.choose(head);
    if (!('answer' in found)) {
      replier.send(found);
      return;
    }
    readBody(res, (body) => {
      if (body === null) {
        replier.send(adminProblem(413, 'Content Too Large', 'a body may have 64 KiB here'));
      } else this.answer(found, { query: new URLSearchParams(head.query), body }, replier);
    });
  }

  /** The handler of the request, or the refusal. */
  private choose(head: AdminHead): AdminHandler | AdminReply {
    const refusal = this.access.refuseHost(head.host) ?? this.access.refuseOrigin(head);
    if (refusal !== null) return refusal;
    const ofPath = this.handlers.get(head.path);
    if (ofPath === undefined) {
      return { status: 404, body: { paths: [...this.handlers.keys()].sort() } };
    }
    const handler = ofPath.get(head.method === 'HEAD' ? 'GET' : head.method);
    if (handler === undefined) {
      const allow = [...ofPath.keys()].flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]));
      return { status: 405, body: { allow }, fields: [['Allow', allow.join(', ')]] };
    }
    if (!handler.needsToken) return handler;
    return this.access.refuseToken(head.authorization) ?? handler;
  }

  private answer(
    handler: AdminHandler,
    request: Parameters<AdminHandler['answer']>[0],
    replier: Replier,
  ): void {
    const onFailed = (error: unknown): void => {
      this.onError(error);
      replier.send(adminProblem(500, 'Internal Server Error', 'the log says what went wrong'));
    };
    try {
      const reply = handler.answer(request);
      if (reply instanceof Promise) reply.then((late) => replier.send(late)).catch(onFailed);
      else replier.send(reply);
    } catch (error) {
      onFailed(error);
    }
  }
}

function readHead(req: HttpRequest): AdminHead {
  return {
    method: req.getCaseSensitiveMethod(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    host: req.getHeader('host'),
    origin: req.getHeader('origin'),
    authorization: req.getHeader('authorization'),
  };
}

/** Calls back with the whole body, or with null when it is too large. */
function readBody(res: HttpResponse, onBody: (body: Buffer | null) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  res.onData((piece, isLast) => {
    if (bytes > ADMIN_BODY_BYTES_MAX) return;
    bytes += piece.byteLength;
    if (bytes > ADMIN_BODY_BYTES_MAX) {
      onBody(null);
      return;
    }
    // A copy: after this call the memory belongs to the library again.
    pieces.push(Buffer.from(new Uint8Array(piece)));
    if (isLast) onBody(Buffer.concat(pieces));
  });
}

/** Sends one reply, unless the client has gone by then. */
class Replier {
  private isAborted = false;

  constructor(
    private readonly res: HttpResponse,
    private readonly method: string,
  ) {
    res.onAborted(() => {
      this.isAborted = true;
    });
  }

  send(reply: AdminReply): void {
    if (this.isAborted) return;
    this.res.cork(() => this.write(reply));
  }

  private write({ status, body, contentType = 'application/json', fields = [] }: AdminReply): void {
    const { res } = this;
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    res.writeHeader('Content-Type', contentType);
    res.writeHeader('Cache-Control', 'no-store');
    res.writeHeader('X-Content-Type-Options', 'nosniff');
    for (const [name, value] of fields) res.writeHeader(name, value);
    if (this.method === 'HEAD') res.endWithoutBody();
    else res.end(bodyOf(body));
  }
}

function bodyOf(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  return `${JSON.stringify(body, null, 2)}\n`;
}
