/**
 * As much of uWebSockets.js as the engine meets: a response that writes down what is asked of it,
 * and an app whose requests a test makes.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { UwsModule } from '../../src/acceptor/uws/native-binary.js';

/** A response. `calls`: what was asked of it, in order, without what only builds the head. */
export class FakeUwsResponse {
  readonly calls: string[] = [];
  readonly fields: string[] = [];
  status = '';
  /** Whether write() and tryEnd() find room. */
  hasRoom = true;
  /** A method that throws when it is called. */
  broken = '';
  private taken = 0;
  private writable: (offset: number) => boolean = () => true;
  private aborted: () => void = () => {};
  private data: (piece: ArrayBuffer, isLast: boolean) => void = () => {};

  /** The library's own type has some fifty methods; a test that reaches another one throws. */
  get asLibrary(): HttpResponse {
    return asResponse(this);
  }

  cork(work: () => void): this {
    work();
    return this;
  }

  writeStatus(line: string): this {
    this.status = line;
    return this;
  }

  writeHeader(name: string, value: string | Uint8Array): this {
    this.fields.push(`${name}: ${textOf(value)}`);
    return this;
  }

  write(chunk: Uint8Array): boolean {
    this.note(`write ${chunk.length}`);
    return this.hasRoom;
  }

  tryEnd(chunk: Uint8Array, total: number): [boolean, boolean] {
    this.note(`tryEnd ${chunk.length}`);
    if (this.hasRoom) this.taken += chunk.length;
    return [this.hasRoom, this.taken === total];
  }

  end(body: string | Uint8Array, closes = false): this {
    this.note(`end ${textOf(body)}${closes ? ' close' : ''}`);
    return this;
  }

  endWithoutBody(...rest: unknown[]): this {
    this.note(`endWithoutBody ${rest.length}`);
    return this;
  }

  pause(): this {
    this.note('pause');
    return this;
  }

  resume(): this {
    this.note('resume');
    return this;
  }

  /** As the library does it: who listens for the end of the connection hears of this one too. */
  close(): this {
    this.note('close');
    this.aborted();
    return this;
  }

  getWriteOffset(): number {
    return this.taken;
  }

  getRemoteAddress(): ArrayBuffer {
    return Uint8Array.of(192, 0, 2, 1).buffer;
  }

  onWritable(handler: (offset: number) => boolean): this {
    this.writable = handler;
    return this;
  }

  onAborted(handler: () => void): this {
    this.aborted = handler;
    return this;
  }

  onData(handler: (piece: ArrayBuffer, isLast: boolean) => void): this {
    if (this.broken === 'onData') throw new Error('onData is broken');
    this.data = handler;
    return this;
  }

  // What the client does.

  /** The socket takes bytes again. */
  becomeWritable(): void {
    this.hasRoom = true;
    this.writable(this.taken);
  }

  sendData(text: string, isLast = false): void {
    const piece = new ArrayBuffer(text.length);
    Buffer.from(piece).write(text);
    this.data(piece, isLast);
  }

  leave(): void {
    this.aborted();
  }

  private note(call: string): void {
    this.calls.push(call);
  }
}

function asResponse(fake: unknown): HttpResponse {
  return fake as HttpResponse;
}

function textOf(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
}

/** The library, with one app. */
export class FakeUws {
  isClosed = false;
  isListening = false;
  private handler: (res: HttpResponse, req: HttpRequest) => void = () => {};
  private filter: (res: HttpResponse, change: number) => void = () => {};

  get asLibrary(): UwsModule {
    const app = {
      any: (_pattern: string, handler: (res: HttpResponse, req: HttpRequest) => void) => {
        this.handler = handler;
      },
      filter: (handler: (res: HttpResponse, change: number) => void) => {
        this.filter = handler;
      },
      listen: (_host: string, port: number, _options: number, cb: (socket: unknown) => void) => {
        this.isListening = port !== 1;
        cb(port === 1 ? false : { port });
      },
      close: () => {
        this.isClosed = true;
      },
    };
    const library: unknown = {
      App: () => app,
      LIBUS_LISTEN_DEFAULT: 0,
      LIBUS_LISTEN_EXCLUSIVE_PORT: 1,
      us_socket_local_port: ({ port }: { port: number }) => port,
      us_listen_socket_close: () => {
        this.isListening = false;
      },
    };
    return library as UwsModule;
  }

  request(
    res: FakeUwsResponse,
    method: string,
    url: string,
    fields: readonly (readonly [string, string])[],
  ): void {
    const [path = '', query] = url.split('?');
    const request: unknown = {
      getCaseSensitiveMethod: () => method,
      getUrl: () => path,
      getQuery: () => query,
      getHeader: (name: string) => fields.find(([one]) => one === name)?.[1] ?? '',
      forEach: (visit: (name: string, value: string) => void) => {
        for (const [name, value] of fields) visit(name, value);
      },
    };
    this.handler(res.asLibrary, request as HttpRequest);
  }

  /** A connection opens (1) or closes (-1). */
  change(res: FakeUwsResponse, change: number): void {
    this.filter(res.asLibrary, change);
  }
}
