/**
 * The last replies to copies of requests that differed from what their clients got.
 *
 * Thread: supervisor. Bounded; workers tell one a second at most, each.
 */
import type { MirrorSample } from '../worker/mirror/mirrors.js';

const KEPT_MAX = 100;

export class MirrorSamples {
  private readonly samples: MirrorSample[] = [];

  add(sample: MirrorSample): void {
    this.samples.push(sample);
    if (this.samples.length > KEPT_MAX) this.samples.shift();
  }

  /** The newest first. */
  list(): readonly MirrorSample[] {
    return this.samples.toReversed();
  }
}
