/**
 * llhttp as undici has it, strict: the parser lies in undici's package as WebAssembly.
 *
 * What it calls back with are places in its memory: see bytesAt() and textAt().
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const LLHTTP_OK = 0;

/** The longest text of a name or a reason that the parser gives. */
const TEXT_BYTES_MAX = 200;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, bytes: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_method_name(method: number): number;
}

interface Wasm {
  readonly Module: new (bytes: Buffer) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
}

/** What the parser calls: each returns LLHTTP_OK, or tells the parser what to do. */
export type LlhttpCallbacks = Readonly<
  Record<`wasm_on_${string}`, (parser: number, ...places: number[]) => number>
>;

export class Llhttp {
  readonly exports: Exports;

  constructor(callbacks: LlhttpCallbacks) {
    const require = createRequire(import.meta.url);
    const folder = dirname(require.resolve('undici'));
    const bytes = require(join(folder, 'lib/llhttp/llhttp-wasm.js')) as Buffer;
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
    this.exports = new Instance(new Module(bytes), { env: callbacks }).exports;
  }

  /** Gives all bytes to a new parser of this type. `run` has it until it returns. */
  parse<T>(type: number, bytes: Buffer, run: (parser: number, result: number) => T): T {
    const { exports } = this;
    const parser = exports.llhttp_alloc(type);
    const at = exports.malloc(bytes.length + 1);
    new Uint8Array(exports.memory.buffer).set(bytes, at);
    const outcome = run(parser, exports.llhttp_execute(parser, at, bytes.length));
    exports.free(at);
    exports.llhttp_free(parser);
    return outcome;
  }

  /** Why the parser has stopped; empty: it has not. */
  reasonOf(parser: number): string {
    const at = this.exports.llhttp_get_error_reason(parser);
    return at === 0 ? '' : this.textAt(at);
  }

  /** A copy: the memory of the parser may move. */
  bytesAt(at: number, length: number): Buffer {
    return Buffer.from(Buffer.from(this.exports.memory.buffer, at, length));
  }

  textAt(at: number): string {
    const bytes = Buffer.from(this.exports.memory.buffer, at, TEXT_BYTES_MAX);
    return bytes.toString('latin1', 0, bytes.indexOf(0));
  }
}
