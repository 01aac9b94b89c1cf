/**
 * Compresses the replies of a route: the last stage before the lane.
 *
 * Thread: worker. A stage belongs to one reply. A short body that is whole within one turn of the
 * event loop is compressed at once, and keeps a length; any other goes through a stream of zlib.
 * What has come by the end of a turn is written and let out as one piece, so that nothing waits
 * for more: an event goes out with the turn that it came in. A body that is stored goes out in a
 * form that the store keeps, where no stage before has changed it: see form-maker.ts.
 *
 * Invariant: a compression that is taken is given back once, whatever becomes of the reply. What
 * waits is less than WAITING_BYTES_MAX and one piece, and as much is in the stream.
 */

import type { Coding } from '../../base/content-codings.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { CodedForms, FormKind } from '../coded-forms.js';
import type { CodingStream } from '../content-codings.js';
import type { CompressionPlan } from '../filter.js';
import { ReplyHead } from '../reply-head.js';
import { ReplyStage, type StageHead, type StageSource } from '../reply-stage.js';
import type { RequestView } from '../request-view.js';
import { compressAtOnce, openCompressor } from './codecs.js';
import type { Compressions } from './compressions.js';
import type { FormWaiter, MadeForm, MakeResult } from './form-maker.js';
import {
  addVary,
  CompressedTypes,
  describesPlainBody,
  editHead,
  editNotModified,
  judgeReply,
  type Verdict,
} from './reply-verdict.js';

/** With more than that waiting the target waits too. */
const WAITING_BYTES_MAX = 64 * 1024;

/** Longest piece of a form that goes out at once. */
const PIECE_BYTES = 64 * 1024;

/** The reply is to be compressed. */
type Sure = Verdict & { readonly coding: Coding };

export class ReplyCompression implements StageSource {
  private readonly rule: { codings: readonly Coding[]; types: CompressedTypes };

  /** `isFirst`: no stage before this one makes another head or body of a reply. */
  constructor(
    private readonly plan: CompressionPlan,
    private readonly compressions: Compressions,
    readonly isFirst: boolean,
  ) {
    this.rule = { codings: plan.codings, types: new CompressedTypes(plan.types) };
  }

  open(request: RequestView, head: StageHead): ReplyStage | null {
    // The gateway's own have their fields and length only when they go out, too.
    if (head.isLocal || !this.isFirst) return new CompressedReply(this, request, null);
    const verdict = this.judge(request, head);
    return verdict === null ? null : new CompressedReply(this, request, verdict);
  }

  /** What is done with a reply whose head is final; null: nothing more. */
  judge(request: RequestView, head: StageHead): Sure | null {
    if (head.bodyBytes === 0 && !head.isBodiless) return null;
    editNotModified(request, head);
    const verdict = judgeReply(request, head, this.rule);
    if (verdict === null || this.isShort(head, verdict)) return null;
    addVary(head);
    const { coding } = verdict;
    return coding === null ? null : { ...verdict, coding };
  }

  /** Too short to gain by it, and the client takes it as it is. */
  private isShort({ bodyBytes }: StageHead, { takesIdentity }: Verdict): boolean {
    return takesIdentity && bodyBytes !== -1 && bodyBytes < this.plan.minBytes;
  }

  get minBytes(): number {
    return this.plan.minBytes;
  }

  levelOf(coding: Coding): number {
    return this.plan.levels[coding];
  }

  get shared(): Compressions {
    return this.compressions;
  }
}

class CompressedReply extends ReplyStage implements FormWaiter {
  private coding: Coding | null = null;
  /** The head, until it is known how the reply goes out. */
  private waitingHead: StageHead | null = null;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private stream: CodingStream | null = null;
  private isTaken = false;
  private isScheduled = false;
  private isWriting = false;
  private isSourcePaused = false;
  /** The target has said all. */
  private isComplete = false;
  private trailerFields: FieldBlock = NO_FIELDS;
  private isOver = false;
  /** It goes out in a form: what comes from the source is passed over. */
  private isFormed = false;
  /** What is left of the form. */
  private rest: Buffer | null = null;

  constructor(
    private readonly source: ReplyCompression,
    private readonly request: RequestView,
    /** null: it is judged when its head comes here. */
    private verdict: Sure | null,
  ) {
    super();
  }

  override head(head: StageHead): void {
    this.verdict ??= this.source.judge(this.request, head);
    const { verdict } = this;
    if (verdict !== null && head.isBodiless) {
      editHead(head, verdict.coding);
      head.bodyBytes = -1;
    }
    const isCompressed = verdict !== null && !head.isBodiless;
    const forms = this.source.isFirst ? (head.forms ?? null) : null;
    if (isCompressed && forms !== null && this.takeForm(head, verdict, forms)) return;
    if (!isCompressed || !this.source.shared.tryTake(verdict.isEventStream)) {
      this.next.head(head);
      return;
    }
    this.isTaken = true;
    this.coding = verdict.coding;
    this.waitingHead = head;
    this.schedule();
  }

  /** Whether it is settled how a stored body goes out: in a form, perhaps later, or plain. */
  private takeForm(head: StageHead, verdict: Sure, forms: CodedForms): boolean {
    const { coding, takesIdentity } = verdict;
    const kind = { coding, level: this.source.levelOf(coding) };
    const known = forms.find(kind);
    if (known !== null && known.length > 0) {
      this.isFormed = true;
      editHead(head, coding);
      this.sendAll(head, known);
      return true;
    }
    // It does not get shorter: only clients that take nothing else get it compressed.
    const result = known === null ? this.make(head, forms, kind) : 'busy';
    if (result === 'gone' || (known !== null && !takesIdentity)) return false;
    if (result === 'busy') this.next.head(head);
    return true;
  }

  private make(head: StageHead, forms: CodedForms, kind: FormKind): MakeResult {
    this.isFormed = true;
    this.waitingHead = head;
    const result = this.source.shared.forms.make(forms, kind, this);
    if (result === 'begun') return result;
    this.isFormed = false;
    this.waitingHead = null;
    return result;
  }

  onForm({ plain, compressed }: MadeForm): void {
    const { waitingHead, verdict } = this;
    if (this.isOver || waitingHead === null || verdict === null) return;
    this.waitingHead = null;
    this.guard(() => {
      const isShorter = compressed.length < plain.length;
      const isCoded = isShorter || !verdict.takesIdentity;
      if (isCoded) editHead(waitingHead, verdict.coding);
      this.sendAll(waitingHead, isCoded ? compressed : plain);
    });
  }

  onFormFailed(error: Error): void {
    if (!this.isOver) this.fail(error);
  }

  /** A body that lies in memory, as the lane takes it. */
  private sendAll(head: StageHead, bytes: Buffer): void {
    head.bodyBytes = bytes.length;
    this.next.head(head);
    this.rest = bytes;
    this.pump();
  }

  private pump(): void {
    let goesOn = true;
    while (goesOn && this.rest !== null) {
      const { rest } = this;
      const piece = rest.subarray(0, PIECE_BYTES);
      const isLast = piece.length === rest.length;
      this.rest = isLast ? null : rest.subarray(piece.length);
      goesOn = this.next.data(piece, isLast);
    }
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    if (this.isFormed) return true;
    if (this.coding === null) return this.next.data(bytes, isLast);
    // Valid inside the call only: the last piece may not have to be kept beyond it.
    if (bytes.length > 0) this.waiting.push(isLast ? bytes : Buffer.from(bytes));
    this.waitingBytes += bytes.length;
    if (isLast) {
      this.complete();
      this.copyLast();
    } else {
      this.schedule();
    }
    this.isSourcePaused = !this.isComplete && this.waitingBytes >= WAITING_BYTES_MAX;
    return !this.isSourcePaused;
  }

  private copyLast(): void {
    const last = this.waiting.pop();
    if (last !== undefined) this.waiting.push(Buffer.from(last));
  }

  override trailers(fields: FieldBlock): void {
    if (this.isFormed) return;
    if (this.coding === null) {
      this.next.trailers(fields);
      return;
    }
    const left = new ReplyHead(0, fields, false);
    left.removeWhere(describesPlainBody);
    this.trailerFields = left.toBlock();
    this.complete();
  }

  override end(): void {
    if (this.isFormed) return;
    if (this.coding === null) this.next.end();
    else this.complete();
  }

  /** All of the body is here. */
  private complete(): void {
    this.isComplete = true;
    const { waitingHead, coding } = this;
    if (waitingHead === null || coding === null) {
      this.schedule();
      return;
    }
    const isShort = this.waitingBytes < this.source.minBytes;
    const level = this.source.levelOf(coding);
    const takesIdentity = this.verdict?.takesIdentity === true;
    if (this.waitingBytes === 0 || (isShort && takesIdentity)) {
      this.sendWhole(waitingHead, this.take());
    } else if (this.source.shared.tryAtOnce(coding, level, this.waitingBytes)) {
      this.compressWhole(waitingHead, coding, level);
    } else {
      this.schedule();
    }
  }

  private compressWhole(head: StageHead, coding: Coding, level: number): void {
    const bytes = this.take();
    const compressed = compressAtOnce(coding, level, bytes);
    // What does not get shorter goes out as it is, unless the client cannot have that.
    if (compressed.length >= bytes.length && this.verdict?.takesIdentity === true) {
      this.sendWhole(head, bytes);
      return;
    }
    const { ledger } = this.source.shared.parts;
    ledger.countCompressed(coding);
    ledger.countCompressedBytes(coding, bytes.length, compressed.length);
    editHead(head, coding);
    this.sendWhole(head, compressed);
  }

  /** The reply goes out, with a length that is known now. */
  private sendWhole(head: StageHead, bytes: Buffer): void {
    this.finish();
    head.bodyBytes = bytes.length;
    const hasTrailers = this.trailerFields !== NO_FIELDS;
    if (hasTrailers) head.bodyBytes = -1;
    this.next.head(head);
    if (bytes.length > 0) this.next.data(bytes, !hasTrailers);
    else if (!hasTrailers) this.next.end();
    if (hasTrailers) this.next.trailers(this.trailerFields);
  }

  /** All that waits, as one piece. */
  private take(): Buffer {
    const [only, second] = this.waiting;
    const bytes = only !== undefined && second === undefined ? only : Buffer.concat(this.waiting);
    this.waiting = [];
    this.waitingBytes = 0;
    return bytes;
  }

  private schedule(): void {
    if (this.isScheduled || this.isWriting) return;
    this.isScheduled = true;
    this.source.shared.parts.afterTurn(() => {
      this.isScheduled = false;
      this.guard(() => this.write());
    });
  }

  /** What has come goes into the stream, and the head before it. */
  private write(): void {
    if (this.isOver || this.isWriting || this.coding === null) return;
    const stream = this.stream ?? this.begin(this.coding);
    const bytes = this.take();
    if (bytes.length > 0) {
      this.source.shared.parts.ledger.countCompressedBytes(this.coding, bytes.length, 0);
    }
    if (this.isComplete) {
      this.isWriting = true;
      if (bytes.length > 0) stream.end(bytes);
      else stream.end();
    } else if (bytes.length > 0) {
      this.isWriting = true;
      stream.write(bytes, () => this.guard(() => this.onWritten()));
    }
    if (!this.isSourcePaused) return;
    this.isSourcePaused = false;
    this.resumeSource();
  }

  private onWritten(): void {
    this.isWriting = false;
    if (this.waitingBytes > 0 || this.isComplete) this.write();
  }

  private begin(coding: Coding): CodingStream {
    const { ledger } = this.source.shared.parts;
    const stream = openCompressor(coding, this.source.levelOf(coding));
    this.stream = stream;
    ledger.countCompressed(coding);
    stream.on('data', (bytes: Buffer) => {
      if (this.isOver) return;
      ledger.countCompressedBytes(coding, 0, bytes.length);
      this.guard(() => {
        if (!this.next.data(bytes, false)) stream.pause();
      });
    });
    stream.on('end', () => this.guard(() => this.onEnd()));
    stream.on('error', (error) => this.guard(() => this.fail(error)));
    const { waitingHead } = this;
    if (waitingHead !== null) {
      this.waitingHead = null;
      editHead(waitingHead, coding);
      waitingHead.bodyBytes = -1;
      this.next.head(waitingHead);
    }
    return stream;
  }

  private onEnd(): void {
    if (this.isOver) return;
    this.finish();
    if (this.trailerFields === NO_FIELDS) this.next.end();
    else this.next.trailers(this.trailerFields);
  }

  override resume(): void {
    if (this.isFormed) this.pump();
    else if (this.coding === null) this.resumeSource();
    else this.stream?.resume();
  }

  override cancel(): void {
    this.finish();
  }

  /** Nothing comes any more from here, and its memory goes. The second time does nothing. */
  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.waiting = [];
    this.waitingBytes = 0;
    this.rest = null;
    this.stream?.destroy();
    this.stream = null;
    if (this.isTaken) this.source.shared.giveBack(this.verdict?.isEventStream === true);
    this.isTaken = false;
  }

  /** Nobody is there to catch what a step throws that an event of the stream has called. */
  private guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }
}
