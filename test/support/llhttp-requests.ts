/**
 * llhttp as undici has it, strict, to compare with: which requests it reads out of bytes.
 *
 * It reads all requests of one connection, up to an upgrade or the first mistake.
 */
import { Llhttp, LLHTTP_OK as OK } from './llhttp.js';

const REQUEST = 1;
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

export class LlhttpRequests {
  private readonly llhttp: Llhttp;
  private readonly methods = new Map<number, string>();
  private requests: ReferenceRequest[] = [];
  /** Names and values of the section that is being read. */
  private pieces: string[] = [];

  constructor() {
    this.llhttp = new Llhttp({
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
      wasm_on_headers_complete: (parser: number) => this.onHead(parser),
      wasm_on_body: (_: number, at: number, length: number) => {
        this.last.body += this.copy(at, length);
        return OK;
      },
      wasm_on_message_complete: () => {
        this.last.trailers = this.pieces;
        this.last.isComplete = true;
        return OK;
      },
    });
  }

  /** Reads the bytes of one connection. */
  read(bytes: Buffer): ReferenceRequests {
    this.requests = [];
    const [result, reason] = this.llhttp.parse(REQUEST, bytes, (parser, executed) => {
      return [executed, this.llhttp.reasonOf(parser)] as const;
    });
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

  private onHead(parser: number): number {
    const { exports } = this.llhttp;
    const method = exports.llhttp_get_method(parser);
    const known = this.methods.get(method);
    const name = known ?? this.llhttp.textAt(exports.llhttp_method_name(method));
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
    return this.llhttp.bytesAt(at, length).toString('latin1');
  }
}
