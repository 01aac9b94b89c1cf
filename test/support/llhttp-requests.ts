/**
 * llhttp as undici has it, strict, to compare with: which requests it reads out of bytes.
 *
 * Reaches into undici's package, where the parser lies as WebAssembly. It reads all requests of
 * one connection, up to an upgrade or the first mistake.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const REQUEST = 1;
const OK = 0;
const PAUSED_UPGRADE = 22;

export interface ReferenceRequest {
  method: string;
  target: string;
  /** Names in lower case and values in turn, in latin-1. */
  fields: string[];
  body: string;
  /** Of its trailers. */
  trailers: string[];
  isComplete: boolean;
}

export interface ReferenceRequests {
  readonly requests: readonly ReferenceRequest[];
  readonly isRejected: boolean;
  readonly reason: string;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, bytes: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_method_name(method: number): number;
}

interface Wasm {
  readonly Module: new (bytes: Buffer) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
}

export class LlhttpRequests {
  private readonly exports: Exports;
  private readonly methods = new Map<number, string>();
  private requests: ReferenceRequest[] = [];
  /** Names and values of the section that is being read. */
  private pieces: string[] = [];
  private parser = 0;

  constructor() {
    const require = createRequire(import.meta.url);
    const folder = dirname(require.resolve('undici'));
    const bytes = require(join(folder, 'lib/llhttp/llhttp-wasm.js')) as Buffer;
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
    const env = {
      wasm_on_status: () => OK,
      wasm_on_message_begin: () => this.onBegin(),
      wasm_on_url: (_: number, at: number, length: number) => {
        this.last.target += this.copy(at, length);
        return OK;
      },
      wasm_on_header_field: (_: number, at: number, length: number) =>
        this.onPiece(this.copy(at, length).toLowerCase(), 0),
      wasm_on_header_value: (_: number, at: number, length: number) =>
        this.onPiece(this.copy(at, length), 1),
      wasm_on_headers_complete: () => this.onHead(),
      wasm_on_body: (_: number, at: number, length: number) => {
        this.last.body += this.copy(at, length);
        return OK;
      },
      wasm_on_message_complete: () => {
        this.last.trailers = this.pieces;
        this.last.isComplete = true;
        return OK;
      },
    };
    this.exports = new Instance(new Module(bytes), { env }).exports;
  }

  /** Reads the bytes of one connection. */
  read(bytes: Buffer): ReferenceRequests {
    const { exports } = this;
    this.requests = [];
    const parser = exports.llhttp_alloc(REQUEST);
    this.parser = parser;
    const at = exports.malloc(bytes.length + 1);
    new Uint8Array(exports.memory.buffer).set(bytes, at);
    const result = exports.llhttp_execute(parser, at, bytes.length);
    const reasonAt = exports.llhttp_get_error_reason(parser);
    const reason = reasonAt === 0 ? '' : this.textAt(reasonAt);
    exports.free(at);
    exports.llhttp_free(parser);
    const isRejected = result !== OK && result !== PAUSED_UPGRADE;
    return { requests: this.requests, isRejected, reason };
  }

  private get last(): ReferenceRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('nothing has begun');
    return last;
  }

  private onBegin(): number {
    this.pieces = [];
    const nothing = { method: '', target: '', body: '', fields: [], trailers: [] };
    this.requests.push({ ...nothing, isComplete: false });
    return OK;
  }

  private onHead(): number {
    const method = this.exports.llhttp_get_method(this.parser);
    const known = this.methods.get(method);
    const name = known ?? this.textAt(this.exports.llhttp_method_name(method));
    if (known === undefined) this.methods.set(method, name);
    this.last.method = name;
    this.last.fields = this.pieces;
    this.pieces = [];
    return OK;
  }

  /** One name or value may come in pieces. */
  private onPiece(piece: string, place: 0 | 1): number {
    const { pieces } = this;
    if (pieces.length % 2 === place) pieces.push(piece);
    else pieces.push((pieces.pop() ?? '') + piece);
    return OK;
  }

  private copy(at: number, length: number): string {
    return Buffer.from(this.exports.memory.buffer, at, length).toString('latin1');
  }

  private textAt(at: number): string {
    const bytes = Buffer.from(this.exports.memory.buffer, at, 200);
    return bytes.toString('latin1', 0, bytes.indexOf(0));
  }
}
