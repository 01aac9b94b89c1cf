/**
 * The second port, for operators: finds the handler of a request, checks the caller, sends the
 * reply.
 *
 * Thread: supervisor (on the main thread). Owns its server, which is Node's own: this port needs no
 * speed, and it must be there on machines that the native library does not load on. Whoever comes
 * is bounded in time, bytes, fields and connections.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { hostPort } from '../base/listener-address.js';
import { StartupError } from '../base/startup-error.js';
import { listenProblem } from '../base/system-problem.js';
import type { CompiledAddress } from '../config/compiled-config.js';
import type { AdminAccess } from './admin-access.js';
import { type AdminHandler, type AdminReply, adminProblem } from './admin-handler.js';

/** Longest body of a request, where its page does not say otherwise; a longer one gets 413. */
export const ADMIN_BODY_BYTES_MAX = 64 * 1024;

const CONNECTIONS_MAX = 256;
const HEAD_BYTES_MAX = 16 * 1024;
/** Names and values. Node itself hides fields beyond a thousand. */
const HEAD_PARTS_MAX = 200;

const OPTIONS = {
  maxHeaderSize: HEAD_BYTES_MAX,
  /** For a head, and for a whole request. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** How often the two are looked at. */
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 75_000,
  insecureHTTPParser: false,
  requireHostHeader: true,
  joinDuplicateHeaders: false,
};

/** In the path of a handler: any name as the last part. */
const ANY_NAME = '/*';

/** The head of a request. */
interface AdminHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly origin: string;
  readonly authorization: string;
}

export class AdminListener {
  private readonly server: Server;
  private readonly handlers = new Map<string, Map<string, AdminHandler>>();

  constructor(
    handlers: readonly AdminHandler[],
    private readonly access: AdminAccess,
    private readonly onError: (error: unknown) => void,
  ) {
    for (const handler of handlers) {
      const ofPath = this.handlers.get(handler.path) ?? new Map<string, AdminHandler>();
      this.handlers.set(handler.path, ofPath.set(handler.method, handler));
    }
    this.server = createServer(OPTIONS, (req, res) => this.onRequest(req, res));
    this.server.maxConnections = CONNECTIONS_MAX;
  }

  /**
   * Binds the port, and resolves with it.
   *
   * @throws StartupError when the address cannot be had.
   */
  listen({ host, port }: CompiledAddress): Promise<number> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const reason = listenProblem(error);
        const message = `cannot listen on ${hostPort(host, port)} for admin: ${reason}`;
        reject(new StartupError(message));
      });
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        server.on('error', this.onError);
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Closes every connection at once. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private onRequest(req: IncomingMessage, res: ServerResponse): void {
    const head = readHead(req);
    const found = refuseHead(req) ?? this.choose(head);
    if (!('answer' in found)) {
      req.resume();
      send(res, found);
      return;
    }
    const { bodyBytesMax = ADMIN_BODY_BYTES_MAX } = found;
    readBody(req, bodyBytesMax, (body) => {
      if (body === null) {
        const detail = `a body may have ${bodyBytesMax / 1024} KiB here`;
        send(res, adminProblem(413, 'Content Too Large', detail));
      } else {
        const rest = nameIn(head.path, found.path);
        this.answer(found, { query: new URLSearchParams(head.query), rest, body }, res);
      }
    });
  }

  /** The handler of the request, or the refusal. */
  private choose(head: AdminHead): AdminHandler | AdminReply {
    const refusal = this.access.refuseHost(head.host) ?? this.access.refuseOrigin(head);
    if (refusal !== null) return refusal;
    const ofPath =
      this.handlers.get(head.path) ??
      this.handlers.get(withoutName(head.path)) ??
      this.handlers.get(withoutMiddle(head.path));
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
    res: ServerResponse,
  ): void {
    const onFailed = (error: unknown): void => {
      this.onError(error);
      send(res, adminProblem(500, 'Internal Server Error', 'the log says what went wrong'));
    };
    try {
      const reply = handler.answer(request);
      if (reply instanceof Promise) reply.then((late) => send(res, late)).catch(onFailed);
      else send(res, reply);
    } catch (error) {
      onFailed(error);
    }
  }
}

/** The place of a path whose last part is a name; '': the name is empty. */
function withoutName(path: string): string {
  const end = path.lastIndexOf('/') + 1;
  return end === path.length ? '' : path.slice(0, end - 1) + ANY_NAME;
}

/** The same for the part before the last one. */
function withoutMiddle(path: string): string {
  const end = path.lastIndexOf('/');
  const start = path.lastIndexOf('/', end - 1);
  return end - start < 2 ? '' : path.slice(0, start) + ANY_NAME + path.slice(end);
}

/** What stands in a path where that of its handler has a star; '': it has none. */
function nameIn(path: string, form: string): string {
  if (form.endsWith(ANY_NAME)) return lastPartOf(path);
  if (!form.includes(`${ANY_NAME}/`)) return '';
  return lastPartOf(path.slice(0, path.lastIndexOf('/')));
}

/** '': it is not encoded as a part of a path is; nothing has such a name. */
function lastPartOf(path: string): string {
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf('/') + 1));
  } catch {
    return '';
  }
}

function readHead({ method = '', url = '', headers }: IncomingMessage): AdminHead {
  const mark = url.indexOf('?');
  const { host = '', origin = '', authorization = '' } = headers;
  return {
    method,
    path: mark === -1 ? url : url.slice(0, mark),
    query: mark === -1 ? '' : url.slice(mark + 1),
    host,
    origin,
    authorization,
  };
}

/** Node takes the first of several Host fields, and hides fields beyond a thousand. */
function refuseHead({ rawHeaders }: IncomingMessage): AdminReply | null {
  if (rawHeaders.length > HEAD_PARTS_MAX) {
    return adminProblem(431, 'Request Header Fields Too Large', 'send fewer fields');
  }
  const isHost = (part: string, at: number): boolean => at % 2 === 0 && /^host$/i.test(part);
  if (rawHeaders.filter(isHost).length < 2) return null;
  return adminProblem(400, 'Bad Request', 'a request has one Host field');
}

/** Calls back with the whole body, or with null when it is too large. */
function readBody(
  req: IncomingMessage,
  bytesMax: number,
  onBody: (body: Buffer | null) => void,
): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  req.on('data', (piece: Buffer) => {
    // The rest is read and thrown away, so that the client sees the reply.
    if (bytes > bytesMax) return;
    bytes += piece.byteLength;
    if (bytes > bytesMax) onBody(null);
    else pieces.push(piece);
  });
  req.on('end', () => {
    if (bytes <= bytesMax) onBody(Buffer.concat(pieces));
  });
}

/** Sends one reply, unless the client has gone by then. */
function send(
  res: ServerResponse,
  { status, body, contentType = 'application/json', fields = [] }: AdminReply,
): void {
  if (res.destroyed || res.headersSent) return;
  const bytes = bodyOf(body);
  res.statusCode = status;
  res.setHeader('Content-Type', contentType);
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  for (const [name, value] of fields) res.setHeader(name, value);
  res.setHeader('Content-Length', Buffer.byteLength(bytes));
  // Of the reply to HEAD Node sends the head alone.
  res.end(bytes);
}

function bodyOf(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  return `${JSON.stringify(body, null, 2)}\n`;
}
