/**
 * Counts the compressions of a worker.
 *
 * Thread: worker. Writes to this worker's counter block, like exchange-metrics.ts.
 */

import { CODINGS, type Coding } from '../../base/content-codings.js';
import type { CounterBlock } from '../../channel/counter-block.js';
import type { CompressionLedger } from '../../filters/compression/compressions.js';
import { CODING_COUNTERS, COUNTERS, codingCounter } from '../../observability/counters.js';

export class CompressionCounts implements CompressionLedger {
  constructor(private readonly counters: CounterBlock) {}

  countCompressed(coding: Coding): void {
    this.counters.add(codingCounter(CODING_COUNTERS.replies, CODINGS.indexOf(coding)));
  }

  countCompressedBytes(coding: Coding, bytesIn: number, bytesOut: number): void {
    const index = CODINGS.indexOf(coding);
    this.counters.add(codingCounter(CODING_COUNTERS.bytesIn, index), bytesIn);
    this.counters.add(codingCounter(CODING_COUNTERS.bytesOut, index), bytesOut);
  }

  countUncompressed(): void {
    this.counters.add(COUNTERS.uncompressedReplies);
  }
}
