/**
 * The engine of plain HTTP/1.1: uWebSockets.js.
 *
 * Thread: acceptor, and the main thread only: a worker thread that ended while it held a handle of
 * the library would take the process down. Owns listen sockets and, in its sockets, every
 * response handle. Nothing may throw out of a handler: the native side would end the process.
 */
import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { formatAddress } from '../../base/ip-address.js';
import { addressText, hostPort, type TcpAddress } from '../../base/listener-address.js';
import { PROBLEMS } from '../../base/problems.js';
import { StartupError } from '../../base/startup-error.js';
import type {
  ClientEngine,
  ClientRequest,
  CreateEngine,
  EngineHost,
  ListenerHost,
  OpenListener,
} from '../client-engine.js';
import type { ConnectionCensus } from '../connection-caps.js';
import { createConnectionCensus } from './connection-census.js';
import type { UwsApp, UwsModule } from './native-binary.js';
import { UwsHead } from './uws-head.js';
import { UwsSocket } from './uws-socket.js';

/** An engine on a library that was loaded. */
export function uwsEngine(uws: UwsModule): CreateEngine {
  return (host) => new UwsEngine(uws, host);
}

class UwsEngine implements ClientEngine {
  readonly tellsWhoCloses = false;

  private listeners: UwsListener[] = [];

  constructor(
    private readonly uws: UwsModule,
    private readonly host: EngineHost,
  ) {}

  async open(listener: ListenerHost): Promise<OpenListener> {
    const { address, tls } = listener.settings;
    if (tls !== null) throw new StartupError('the engine uws speaks no TLS: choose "wire"');
    if (address.kind !== 'tcp') {
      throw new StartupError(`the engine uws cannot listen on ${addressText(address)}`);
    }
    const opened = new UwsListener(this.uws, this.host, listener);
    await opened.listen(address);
    this.listeners = [...this.listeners.filter((one) => one.isUsed), opened];
    return opened;
  }

  /** The library does not say which connection has closed: the kernel knows who is connected. */
  createCensus(): Promise<ConnectionCensus | null> {
    const ports = (): number[] =>
      this.listeners.filter((one) => one.isUsed).map(({ port }) => port);
    return createConnectionCensus(ports);
  }

  close(): void {
    for (const listener of this.listeners) listener.close();
  }
}

/** One port. The library does not say which port a request came to: each has an app of its own. */
class UwsListener implements OpenListener {
  port = 0;
  /** The library does not tell of connections before their requests. */
  readonly newcomers = 0;
  readonly http2Connections = 0;
  readonly http2Streams = 0;

  private readonly app: UwsApp;
  private readonly head: UwsHead;
  private listenSocket: us_listen_socket | false = false;
  private connections = 0;

  constructor(
    private readonly uws: UwsModule,
    private readonly engine: EngineHost,
    private readonly host: ListenerHost,
  ) {
    this.head = new UwsHead(engine.guardLimits, host.settings);
    this.app = uws.App();
    this.app.any('/*', (res, req) => this.onRequest(res, req));
    this.app.filter((res, change) => this.onChange(res, Number(change)));
  }

  /** Whether somebody is connected, or can be. */
  get isUsed(): boolean {
    return this.listenSocket !== false || this.connections > 0;
  }

  listen({ host, port, reusePort }: TcpAddress): Promise<void> {
    const { uws } = this;
    // The native default is to share: a second gateway would silently take half of the clients.
    const sharing = reusePort ? uws.LIBUS_LISTEN_DEFAULT : uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    return new Promise((resolve, reject) => {
      this.app.listen(host, port, sharing, (socket) => {
        if (socket === false) {
          const reason = 'the address is in use or not ours';
          reject(new StartupError(`cannot listen on ${hostPort(host, port)}: ${reason}`));
          return;
        }
        this.listenSocket = socket;
        this.port = uws.us_socket_local_port(socket);
        resolve();
      });
    });
  }

  stop(): void {
    if (this.listenSocket !== false) this.uws.us_listen_socket_close(this.listenSocket);
    this.listenSocket = false;
  }

  close(): void {
    this.listenSocket = false;
    this.app.close();
  }

  private onChange(res: HttpResponse, change: number): void {
    this.connections += change < 0 ? -1 : 1;
    if (change < 0) this.host.onClosed('');
    else if (!this.host.onOpened(addressOf(res))) res.close();
  }

  // Hot path (bench/gateway/plain-get): every request passes here.
  private onRequest(res: HttpResponse, req: HttpRequest): void {
    const { head, host, engine } = this;
    const socket = new UwsSocket(res, engine.clock);
    // Attached first of all: without it a later mistake would end the whole process.
    res.onAborted(() => socket.onAborted());
    try {
      head.read(req, addressOf(res), engine, host.settings);
      if (head.bodyBytes === -1 && head.problem === null && !host.settings.takesChunked) {
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
    this.engine.clock.afterTurn(() => {
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
    this.engine.onError(error);
    socket.breakOff();
  }
}

function addressOf(res: HttpResponse): string {
  return formatAddress(new Uint8Array(res.getRemoteAddress()));
}
