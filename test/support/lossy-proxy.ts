/**
 * A proxy between a client and a server over TCP that hurts what goes through it, as it is told.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of bytes on their way. */
export interface Faults {
  /** Each piece comes so much later. */
  readonly delayMs: number;
  /** Bytes from the client do not arrive until that ends: TCP sends them again. */
  readonly isDeafUp: boolean;
  /** Likewise those from the server. */
  readonly isDeafDown: boolean;
  /** Pieces of one byte. */
  readonly isSlow: boolean;
}

const NO_FAULTS: Faults = { delayMs: 0, isDeafUp: false, isDeafDown: false, isSlow: false };

export class LossyProxy {
  private faults: Faults = NO_FAULTS;
  private readonly sockets = new Set<Socket>();
  private readonly held: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static start(targetPort: number): Promise<LossyProxy> {
    return new Promise((resolve) => {
      const server = createServer();
      const proxy = new LossyProxy(server, targetPort);
      server.listen(0, '127.0.0.1', () => resolve(proxy));
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Holds for what comes from here on, on all connections. */
  set(faults: Partial<Faults>): void {
    this.faults = { ...NO_FAULTS, ...faults };
    for (const pass of this.held.splice(0)) pass();
  }

  /** Ends all connections with a reset. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket): void {
    const target = connect(this.targetPort, '127.0.0.1');
    this.pass(client, target, () => this.faults.isDeafUp);
    this.pass(target, client, () => this.faults.isDeafDown);
  }

  private pass(from: Socket, to: Socket, isHeld: () => boolean): void {
    this.sockets.add(from);
    from.on('error', () => {});
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
    const passOn = (bytes: Buffer): void => {
      const { delayMs, isSlow } = this.faults;
      if (isHeld()) {
        this.held.push(() => passOn(bytes));
        return;
      }
      const pieces = isSlow ? [...bytes].map((byte) => Buffer.of(byte)) : [bytes];
      for (const piece of pieces) {
        if (delayMs === 0) to.write(piece);
        else setTimeout(() => to.write(piece), delayMs);
      }
    };
    from.on('data', passOn);
  }
}
