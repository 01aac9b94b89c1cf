/**
 * The contract of the reply path: what a reply flows through between its target and the lane.
 *
 *     target, or the gateway ──► stage ──► stage ──► lane       head, data, then end or trailers
 *                            ◄── resume ──── resume ──          once data() has returned false
 *
 * Thread: worker. A stage belongs to one reply. It may change the head, the bytes and their number,
 * hold anything back for as long as the exchange has time, and go on later. Replies of the
 * gateway's own pass it too. A route without stages has none of this: its replies are written as
 * they come.
 */
import { defined } from '../base/assert.js';
import type { FieldBlock } from '../base/field-block.js';
import type { ProblemKind } from '../base/problems.js';
import type { CodedForms } from './coded-forms.js';
import type { RequestView } from './request-view.js';

/** The head of a reply on its way. One object for all stages: each may change it for the next. */
export interface StageHead {
  /** Only a stage that keeps the head back may change it. */
  status: number;
  fields: FieldBlock;
  /** Content-Length; -1: the length is not known before the end. */
  bodyBytes: number;
  /** There is no body by its nature (HEAD, 204, 304), whatever `bodyBytes` announces. */
  readonly isBodiless: boolean;
  /** The gateway itself made the reply. */
  readonly isLocal: boolean;
  /** Of a stored body that comes as it is stored, as long as no stage changes it. */
  readonly forms?: CodedForms | null;
  /** The coding that a stage has given to the body; absent: it is as it came. */
  coding?: string;
}

/**
 * Where a reply flows to. In order: head() once, data() any number of times, then one of end() and
 * trailers(). abort() may come at any moment after head() in place of what is left.
 */
export interface ReplySink {
  head(head: StageHead): void;
  /**
   * The bytes are valid inside the call only. `isLast`: the reply ends with them, and no call
   * follows. False: no more is wanted until resume() has come back; what is sent all the same is
   * taken.
   */
  data(bytes: Buffer, isLast: boolean): boolean;
  /** The body is complete, and these fields follow it. */
  trailers(fields: FieldBlock): void;
  /** The body is complete. */
  end(): void;
  /** The reply cannot be completed: nothing that is held back goes out any more. */
  abort(): void;
}

/** Makes the stages of a route's replies. */
export interface StageSource {
  /**
   * Called when the head of a reply is there, in the order of the stages. May change the head at
   * once. null: the reply needs no stage of this kind, and pays for none. A reply of the gateway's
   * own has its final length only when the stage gets the head.
   */
  open(request: RequestView, head: StageHead): ReplyStage | null;
}

/** What a stage is connected with. */
export interface StageLinks {
  readonly next: ReplySink;
  /** What comes before the stage may go on after data() has returned false. */
  resumeSource(): void;
  /** The client gets this problem; or is cut off, when its reply has begun. */
  refuse(problem: ProblemKind, detail: string): void;
  /** The stage has made a mistake: the same with `internal`. */
  fail(error: unknown): void;
}

/** One stage of one reply. As it stands here it lets everything pass. */
export abstract class ReplyStage implements ReplySink {
  private links: StageLinks | null = null;

  connect(links: StageLinks): void {
    this.links = links;
  }

  protected get next(): ReplySink {
    return this.linked.next;
  }

  private get linked(): StageLinks {
    return defined(this.links, 'what follows a stage');
  }

  head(head: StageHead): void {
    this.next.head(head);
  }

  data(bytes: Buffer, isLast: boolean): boolean {
    return this.next.data(bytes, isLast);
  }

  trailers(fields: FieldBlock): void {
    this.next.trailers(fields);
  }

  end(): void {
    this.next.end();
  }

  abort(): void {
    this.next.abort();
  }

  /** What follows takes data again. */
  resume(): void {
    this.resumeSource();
  }

  /**
   * Nobody wants the reply any more: its client has left, or gets another one. What the stage still
   * hands on goes nowhere.
   */
  cancel(): void {}

  protected resumeSource(): void {
    this.linked.resumeSource();
  }

  protected refuse(problem: ProblemKind, detail: string): void {
    this.linked.refuse(problem, detail);
  }

  /** The stage has made a mistake: whatever has not gone out yet does not. */
  protected fail(error: unknown): void {
    this.linked.fail(error);
  }

  /** Goes on when the work is done; what it or the step throws ends the reply. */
  protected after<T>(work: Promise<T>, step: (value: T) => void): void {
    work.then(step).catch((error: unknown) => this.linked.fail(error));
  }
}
