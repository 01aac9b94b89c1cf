/**
 * Reads in the replies of targets what their requests have cost.
 *
 *     head ──► field, kind of body     data ──► JSON, or lines of events     trailers ──► field
 *
 * Thread: worker. Owns what is read of one reply: it looks at bytes that pass, and keeps none. A
 * body that is compressed is not looked into: targets are asked for one that is not.
 */
import { type FieldBlock, firstValueOf } from '../../base/field-block.js';
import { JsonNumberScan, NO_NUMBER } from '../../base/json-number-scan.js';
import { TOLD_COST_MAX } from '../../channel/coordinator/tell-costs.js';
import type { ToldCost } from '../../config/compiled-config.js';
import type { CostSource } from '../route/cost-sources.js';
import { EventDataScan } from './event-data-scan.js';

const JSON_TYPE = /^application\/(json|[^;\s]+\+json)\s*(;|$)/i;
const EVENTS_TYPE = /^text\/event-stream\s*(;|$)/i;
const PLAIN_CODING = /^\s*(identity)?\s*$/i;
const NUMBER_TEXT = /^\d{1,20}(\.\d{1,20})?$/;

type Scan = Pick<EventDataScan, 'value' | 'push'>;

/** What one reply tells. */
export class ReplyCost {
  /** By source; null: it is not looked for in the body. */
  private readonly scans: (Scan | null)[];
  /** By source: what a field has told. */
  private readonly fromFields: number[];
  private readonly isScanned: boolean;

  constructor(
    private readonly sources: readonly CostSource[],
    readonly status: number,
    fields: FieldBlock,
  ) {
    const kind = bodyKindOf(fields);
    this.scans = sources.map(({ told }) => scanFor(told, kind));
    this.isScanned = this.scans.some((scan) => scan !== null);
    this.fromFields = sources.map(() => NO_NUMBER);
    this.readFields(fields);
  }

  /** The next bytes of the body, as the target sent them. */
  onData(bytes: Uint8Array): void {
    if (!this.isScanned) return;
    for (const scan of this.scans) scan?.push(bytes, 0, bytes.length);
  }

  /** Fields behind the body may tell it, too. */
  readFields(fields: FieldBlock): void {
    for (const [at, { told }] of this.sources.entries()) {
      if (told.kind !== 'field') continue;
      const text = firstValueOf(fields, told.name).trim();
      if (NUMBER_TEXT.test(text)) this.fromFields[at] = Number(text);
    }
  }

  /** A whole number of units, rounded up; NO_NUMBER: nothing was told. */
  costAt(source: number): number {
    const found = this.scans[source]?.value ?? this.fromFields[source] ?? NO_NUMBER;
    return found === NO_NUMBER ? NO_NUMBER : Math.min(Math.ceil(found), TOLD_COST_MAX);
  }
}

type BodyKind = 'json' | 'events' | 'other';

function bodyKindOf(fields: FieldBlock): BodyKind {
  if (!PLAIN_CODING.test(firstValueOf(fields, 'content-encoding'))) return 'other';
  const type = firstValueOf(fields, 'content-type').trim();
  if (JSON_TYPE.test(type)) return 'json';
  return EVENTS_TYPE.test(type) ? 'events' : 'other';
}

function scanFor(told: ToldCost, kind: BodyKind): Scan | null {
  if (told.kind !== 'member' || kind === 'other') return null;
  return kind === 'json' ? new JsonNumberScan(told.keys) : new EventDataScan(told.keys);
}
