/**
 * llhttp as undici has it, strict, to compare with: what it makes of the bytes of one reply.
 *
 * The callbacks answer as undici's do for a request that wants no upgrade; the final reply's end
 * pauses the parser.
 */
import { Llhttp, LLHTTP_OK as OK } from './llhttp.js';

const RESPONSE = 2;
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

/** One run of the parser. */
class Run {
  status = 0;
  isComplete = false;
  isUpgrade = false;
  fields: Buffer[] = [];
  body: Buffer[] = [];
}

export class LlhttpReference {
  private readonly llhttp: Llhttp;
  private run = new Run();
  private isHead = false;

  constructor() {
    const nothing = (): number => OK;
    this.llhttp = new Llhttp({
      wasm_on_url: nothing,
      wasm_on_status: nothing,
      wasm_on_message_begin: nothing,
      wasm_on_header_field: (_: number, at: number, length: number) =>
        this.onField(this.llhttp.bytesAt(at, length), false),
      wasm_on_header_value: (_: number, at: number, length: number) =>
        this.onField(this.llhttp.bytesAt(at, length), true),
      wasm_on_headers_complete: (_: number, status: number, isUpgrade: number) =>
        this.onHead(status, isUpgrade === 1),
      wasm_on_body: (_: number, at: number, length: number) => {
        this.run.body.push(this.llhttp.bytesAt(at, length));
        return OK;
      },
      wasm_on_message_complete: () => this.onEnd(),
    });
  }

  /** Reads `bytes`, after which the connection ends. */
  read(bytes: Buffer, isHead = false): ReferenceVerdict {
    this.run = new Run();
    this.isHead = isHead;
    const [result, reason] = this.llhttp.parse(RESPONSE, bytes, (parser, executed) => {
      const mustFinish = executed === OK && !this.run.isComplete;
      const last = mustFinish ? this.llhttp.exports.llhttp_finish(parser) : executed;
      return [last, this.llhttp.reasonOf(parser)] as const;
    });
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
}
