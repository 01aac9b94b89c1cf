/**
 * What is seen of a reply that is compared, or of the reply to a copy.
 *
 * Thread: worker. Written by tries/, which has the replies of targets as they come.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { MirrorPlan } from '../route/worker-route.js';

/** A longer reply is not compared, and of a copy it is read no further. */
const MIRRORED_BYTES_MAX = 2 ** 20;

/** Cheap, and no secret depends on it. */
const HASH = 'sha1';

/** The two replies that are compared. */
export interface MirrorPair {
  readonly main: MirrorEnd;
  readonly copy: MirrorEnd;
}

export class MirrorEnd {
  /** null: nothing is compared. */
  pair: MirrorPair | null = null;
  status = 0;
  fields: FieldBlock = NO_FIELDS;
  bodyBytes = 0;
  /** All of it has come. */
  isWhole = false;
  /** The exchange is over. */
  isOver = false;
  private hash: Hash | null = null;

  constructor(readonly plan: MirrorPlan) {}

  get isTooLong(): boolean {
    return this.bodyBytes > MIRRORED_BYTES_MAX;
  }

  /** What the reply of an earlier try has had counts no more. */
  onHead(status: number, fields: FieldBlock): void {
    this.status = status;
    this.fields = fields;
    this.bodyBytes = 0;
    this.hash = this.plan.rules.compares.body ? createHash(HASH) : null;
  }

  onData(bytes: Uint8Array): void {
    this.bodyBytes += bytes.length;
    if (!this.isTooLong) this.hash?.update(bytes);
  }

  onWhole(): void {
    this.isWhole = true;
  }

  onOver(): void {
    this.isOver = true;
  }

  /** To be asked for once. */
  digest(): string {
    return this.hash?.digest('hex') ?? '';
  }
}
