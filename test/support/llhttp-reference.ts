/**
 * llhttp as undici has it, strict, to compare with: what it makes of the bytes of one reply.
 *
 * Reaches into undici's package, where the parser lies as WebAssembly. The callbacks answer as
 * undici's do for a request that wants no upgrade; the final reply's end pauses the parser.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const RESPONSE = 2;
const OK = 0;
const PAUSED = 21;
const SKIP_BODY = 1;

export interface ReferenceVerdict {
  readonly isRejected: boolean;
  /** The final reply has ended; with the end of the connection, if there is no other way. */
  readonly isComplete: boolean;
  readonly status: number;
  /** Names and values in turn, of the final reply. */
  readonly rawFields: readonly Buffer[];
  readonly body: Buffer;
  readonly reason: string;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, bytes: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
}

interface Wasm {
  readonly Module: new (bytes: Buffer) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
}

/** One run of the parser. */
class Run {
  status = 0;
  isComplete = false;
  isUpgrade = false;
  fields: Buffer[] = [];
  isValueNext = false;
  body: Buffer[] = [];
}

export class LlhttpReference {
  private readonly exports: Exports;
  private run = new Run();
  private isHead = false;

  constructor() {
    const require = createRequire(import.meta.url);
    const folder = dirname(require.resolve('undici'));
    const bytes = require(join(folder, 'lib/llhttp/llhttp-wasm.js')) as Buffer;
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
    const nothing = (): number => OK;
    const env = {
      wasm_on_url: nothing,
      wasm_on_status: nothing,
      wasm_on_message_begin: nothing,
      wasm_on_header_field: (_: number, at: number, length: number) =>
        this.onField(this.copy(at, length), false),
      wasm_on_header_value: (_: number, at: number, length: number) =>
        this.onField(this.copy(at, length), true),
      wasm_on_headers_complete: (_: number, status: number, isUpgrade: number) =>
        this.onHead(status, isUpgrade === 1),
      wasm_on_body: (_: number, at: number, length: number) => {
        this.run.body.push(this.copy(at, length));
        return OK;
      },
      wasm_on_message_complete: () => this.onEnd(),
    };
    this.exports = new Instance(new Module(bytes), { env }).exports;
  }

  /** Reads `bytes`, after which the connection ends. */
  read(bytes: Buffer, isHead = false): ReferenceVerdict {
    const { exports } = this;
    this.run = new Run();
    this.isHead = isHead;
    const parser = exports.llhttp_alloc(RESPONSE);
    const at = exports.malloc(bytes.length + 1);
    new Uint8Array(exports.memory.buffer).set(bytes, at);
    let result = exports.llhttp_execute(parser, at, bytes.length);
    if (result === OK && !this.run.isComplete) result = exports.llhttp_finish(parser);
    const reasonAt = exports.llhttp_get_error_reason(parser);
    const reason = reasonAt === 0 ? '' : this.textAt(reasonAt);
    exports.free(at);
    exports.llhttp_free(parser);
    const { run } = this;
    const isStopped = run.isComplete && (result === PAUSED || result === OK);
    return {
      isRejected: run.isUpgrade || (result !== OK && !isStopped),
      isComplete: run.isComplete && !run.isUpgrade,
      status: run.status,
      rawFields: run.fields,
      body: Buffer.concat(run.body),
      reason,
    };
  }

  /** undici joins the pieces of one name or value in the same way. */
  private onField(piece: Buffer, isValue: boolean): number {
    const { fields } = this.run;
    const wantsValue = fields.length % 2 === 1;
    if (isValue === wantsValue) fields.push(piece);
    else fields.push(Buffer.concat([fields.pop() ?? Buffer.alloc(0), piece]));
    return OK;
  }

  private onHead(status: number, isUpgrade: boolean): number {
    const { run } = this;
    run.status = status;
    if (isUpgrade) {
      run.isUpgrade = true;
      return -1;
    }
    return this.isHead || status < 200 ? SKIP_BODY : OK;
  }

  private onEnd(): number {
    const { run } = this;
    if (run.status < 200) {
      run.fields = [];
      return OK;
    }
    run.isComplete = true;
    return PAUSED;
  }

  private copy(at: number, length: number): Buffer {
    return Buffer.from(Buffer.from(this.exports.memory.buffer, at, length));
  }

  private textAt(at: number): string {
    const bytes = Buffer.from(this.exports.memory.buffer, at, 200);
    return bytes.toString('latin1', 0, bytes.indexOf(0));
  }
}
