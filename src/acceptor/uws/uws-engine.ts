/**
 * The engine of plain HTTP/1.1: uWebSockets.js.
 *
 * Thread: acceptor, and the main thread only: a worker thread that ended while it held a handle of
 * the library would take the process down. Owns the listen socket and, in its sockets, every
 * response handle. Nothing may throw out of a handler: the native side would end the process.
 */
import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { formatAddress } from '../../base/ip-address.js';
import { PROBLEMS } from '../../base/problems.js';
import { StartupError } from '../../base/startup-error.js';
import type {
  ClientEngine,
  ClientRequest,
  CreateEngine,
  EngineCapabilities,
  EngineHost,
  ListenAddress,
} from '../client-engine.js';
import type { ConnectionCensus } from '../connection-caps.js';
import { createConnectionCensus } from './connection-census.js';
import type { UwsApp, UwsModule } from './native-binary.js';
import { UwsHead } from './uws-head.js';
import { UwsSocket } from './uws-socket.js';

/**
 * The library writes one head for a request and nothing behind a chunked body, and it does not hand
 * out the bytes of a connection.
 */
const CAPABILITIES: EngineCapabilities = { trailers: false, interimHeads: false, tunnels: false };

/** An engine on a library that was loaded. `takesChunked`: chunked requests may have bodies. */
export function uwsEngine(uws: UwsModule, takesChunked: boolean): CreateEngine {
  return (host) => new UwsEngine(uws, host, takesChunked);
}

class UwsEngine implements ClientEngine {
  readonly capabilities = CAPABILITIES;

  private readonly app: UwsApp;
  private readonly head: UwsHead;
  private listenSocket: us_listen_socket | false = false;
  private port = 0;

  constructor(
    private readonly uws: UwsModule,
    private readonly host: EngineHost,
    private readonly takesChunked: boolean,
  ) {
    this.head = new UwsHead(host.guardLimits);
    this.app = uws.App();
    this.app.any('/*', (res, req) => this.onRequest(res, req));
    this.app.filter((res, change) => this.onChange(res, Number(change)));
  }

  listen({ host, port, reusePort }: ListenAddress): Promise<number> {
    const { uws } = this;
    // The native default is to share: a second gateway would silently take half of the clients.
    const sharing = reusePort ? uws.LIBUS_LISTEN_DEFAULT : uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    return new Promise((resolve, reject) => {
      this.app.listen(host, port, sharing, (socket) => {
        if (socket === false) {
          const reason = 'the address is in use or not ours';
          reject(new StartupError(`cannot listen on ${host}:${port}: ${reason}`));
          return;
        }
        this.listenSocket = socket;
        this.port = uws.us_socket_local_port(socket);
        resolve(this.port);
      });
    });
  }

  /** The library does not say which connection has closed: the kernel knows who is connected. */
  createCensus(): Promise<ConnectionCensus | null> {
    return createConnectionCensus(() => this.port);
  }

  stopListening(): void {
    if (this.listenSocket !== false) this.uws.us_listen_socket_close(this.listenSocket);
    this.listenSocket = false;
  }

  close(): void {
    this.app.close();
  }

  private onChange(res: HttpResponse, change: number): void {
    if (change < 0) this.host.onClosed();
    else if (!this.host.onOpened(addressOf(res))) res.close();
  }

  // Hot path (bench/gateway/plain-get): every request passes here.
  private onRequest(res: HttpResponse, req: HttpRequest): void {
    const { head, host } = this;
    const socket = new UwsSocket(res, host.clock);
    // Attached first of all: without it a later mistake would end the whole process.
    res.onAborted(() => socket.onAborted());
    try {
      head.read(req, addressOf(res), host);
      if (head.bodyBytes === -1 && head.problem === null && !this.takesChunked) {
        this.awaitEmptyBody(res, socket);
        return;
      }
      if (head.bodyBytes !== 0) {
        socket.isUploadMeasured = head.bodyBytes > 0;
        res.onData((data, isLast) => socket.onData(new Uint8Array(data), isLast));
      }
      host.onRequest(head, socket);
    } catch (error) {
      this.breakOff(socket, error);
    }
  }

  /**
   * The library takes a chunk extension for further digits of the size. No size that was misread is
   * 0, so a chunked request without a body is safe, and any other is refused.
   */
  private awaitEmptyBody(res: HttpResponse, socket: UwsSocket): void {
    const request = this.head.copy();
    let isBegun = false;
    res.onData((data, isLast) => {
      if (!isBegun) {
        isBegun = true;
        const isEmpty = isLast && data.byteLength === 0;
        if (isEmpty) this.beginLater({ ...request, bodyBytes: 0 }, socket);
        else this.begin({ ...request, problem: PROBLEMS.lengthRequired }, socket);
      }
      socket.onData(new Uint8Array(data), isLast);
    });
  }

  /** Outside of the parser, in which a connection must not be closed. */
  private beginLater(request: ClientRequest, socket: UwsSocket): void {
    this.host.clock.afterTurn(() => {
      if (!socket.isGone) this.begin(request, socket);
    });
  }

  private begin(request: ClientRequest, socket: UwsSocket): void {
    try {
      this.host.onRequest(request, socket);
    } catch (error) {
      this.breakOff(socket, error);
    }
  }

  private breakOff(socket: UwsSocket, error: unknown): void {
    this.host.onError(error);
    socket.breakOff();
  }
}

function addressOf(res: HttpResponse): string {
  return formatAddress(new Uint8Array(res.getRemoteAddress()));
}
