/**
 * One reply on its way through stages: the chain from its target to the lane.
 *
 * Thread: worker. Owned by its exchange, from the head of the reply to its end. A stage that throws
 * ends the reply, and nothing that comes later from any stage reaches the client.
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { ProblemKind } from '../../base/problems.js';
import type { ReplySink, ReplyStage, StageHead } from '../../filters/reply-stage.js';
import type { StagedFlow } from '../exchange/reply-state.js';

/** The events that the chain reports. */
export interface StagedReplyOwner {
  /** The target may go on. */
  resumeTarget(): void;
  refuse(problem: ProblemKind, detail: string): void;
  onBroken(error: unknown): void;
  /** A stage made a mistake when the reply was over already. */
  onError(error: unknown): void;
}

export class StagedReply implements StagedFlow, ReplySink {
  private isPaused = false;
  private isOver = false;
  /** The gateway has ended it: what the target says after that is passed over. */
  private isFinished = false;

  /** `stages` in the order in which the reply passes them; `lane` is what they end in. */
  constructor(
    private readonly stages: readonly [ReplyStage, ...ReplyStage[]],
    private readonly lane: ReplySink,
    private readonly owner: StagedReplyOwner,
  ) {
    stages.forEach((stage, at) => {
      const next = stages[at + 1] ?? this.asLane();
      const before = stages[at - 1];
      stage.connect({
        next,
        resumeSource: () => (before === undefined ? this.resumeTarget() : before.resume()),
        refuse: (problem, detail) => this.refuse(problem, detail),
        fail: (error) => this.break(error),
      });
    });
  }

  get isTargetPaused(): boolean {
    return this.isPaused || this.isFinished;
  }

  head(head: StageHead): void {
    this.guard(() => this.stages[0].head(head));
  }

  data(bytes: Buffer, isLast: boolean): boolean {
    if (this.isFinished) return false;
    if (this.isOver) return true;
    try {
      const goesOn = this.stages[0].data(bytes, isLast) || isLast;
      // A stage that resumes inside of the call has nothing to resume yet.
      this.isPaused = !goesOn && !this.isOver;
      return goesOn || this.isOver;
    } catch (error) {
      this.break(error);
      return true;
    }
  }

  trailers(fields: FieldBlock): void {
    if (!this.isFinished) this.guard(() => this.stages[0].trailers(fields));
  }

  end(): void {
    if (!this.isFinished) this.guard(() => this.stages[0].end());
  }

  endEarly(): void {
    this.end();
    this.isFinished = true;
  }

  /** Tells the stages; what they make of it does not reach the lane. */
  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.quietly(() => this.stages[0].abort());
    this.cancelStages();
  }

  /** The lane has room again. */
  resume(): void {
    this.guard(() => this.stages[this.stages.length - 1]?.resume());
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelStages();
  }

  /** All of it is on the lane. */
  close(): void {
    this.isOver = true;
  }

  private cancelStages(): void {
    for (const stage of this.stages) this.quietly(() => stage.cancel());
  }

  private quietly(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.owner.onError(error);
    }
  }

  private resumeTarget(): void {
    if (this.isOver || this.isFinished || !this.isPaused) return;
    this.isPaused = false;
    this.owner.resumeTarget();
  }

  private refuse(problem: ProblemKind, detail: string): void {
    if (this.isOver) return;
    this.cancel();
    this.owner.refuse(problem, detail);
  }

  private guard(step: () => void): void {
    if (this.isOver) return;
    try {
      step();
    } catch (error) {
      this.break(error);
    }
  }

  private break(error: unknown): void {
    if (this.isOver) return;
    this.cancel();
    this.owner.onBroken(error);
  }

  /** The lane as the last stage sees it: it gets nothing once the reply is over. */
  private asLane(): ReplySink {
    const { lane } = this;
    return {
      head: (head) => {
        if (!this.isOver) lane.head(head);
      },
      data: (bytes, isLast) => this.isOver || lane.data(bytes, isLast),
      trailers: (fields) => {
        if (!this.isOver) lane.trailers(fields);
      },
      end: () => {
        if (!this.isOver) lane.end();
      },
      abort: () => {},
    };
  }
}
