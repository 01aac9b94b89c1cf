/**
 * The second port, for those who run the gateway: /stats, /healthz, /readyz.
 *
 * Thread: acceptor. Owns its listen socket. Reads only; GET and HEAD only.
 */
import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { StartupError } from '../base/startup-error.js';
import type { CompiledAddress } from '../config/compiled-config.js';

/** The library, as far as a listener needs it. */
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

export interface AdminReply {
  readonly status: string;
  readonly body: unknown;
  /** Of a 405: the methods that the page takes. */
  readonly allow?: string;
}

/** Answers by path; each is called for every request of its path. */
export type AdminPages = ReadonlyMap<string, () => AdminReply>;

const METHOD_NOT_ALLOWED: AdminReply = {
  status: '405 Method Not Allowed',
  body: { allow: ['GET', 'HEAD'] },
  allow: 'GET, HEAD',
};

export class AdminListener {
  private readonly app: AdminApp;

  constructor(
    private readonly native: AdminNative,
    private readonly pages: AdminPages,
    private readonly onError: (error: unknown) => void,
  ) {
    this.app = native.App();
    this.app.any('/*', (res, req) => this.onRequest(res, req));
  }

  /** Binds the port; resolves with it. */
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

  private onRequest(res: HttpResponse, req: HttpRequest): void {
    res.onAborted(() => {});
    try {
      const method = req.getCaseSensitiveMethod();
      const page = this.pages.get(req.getUrl());
      if (page === undefined)
        send(res, method, { status: '404 Not Found', body: { paths: [...this.pages.keys()] } });
      else if (method !== 'GET' && method !== 'HEAD') {
        send(res, method, METHOD_NOT_ALLOWED);
      } else send(res, method, page());
    } catch (error) {
      this.onError(error);
      res.close();
    }
  }
}

function send(res: HttpResponse, method: string, reply: AdminReply): void {
  const body = `${JSON.stringify(reply.body, null, 2)}\n`;
  res.writeStatus(reply.status);
  res.writeHeader('Content-Type', 'application/json');
  res.writeHeader('Cache-Control', 'no-store');
  if (reply.allow !== undefined) res.writeHeader('Allow', reply.allow);
  if (method === 'HEAD') res.endWithoutBody();
  else res.end(body);
}
