/**
 * A configuration with the targets that discovery has found in place of the rows kept for them.
 *
 * Thread: supervisor (on the main thread). For whoever looks at targets one by one: pages, health
 * checks, explanations. Threads that serve go by the rows.
 */
import { hostPort } from '../../base/listener-address.js';
import { phaseOf, SLOT_USED, type TargetSlotView } from '../../channel/coordinator/target-slots.js';
import type { CompiledTarget } from '../../config/compiled-config.js';
import type { ServedConfig } from '../../config/shared/shared-config.js';
import { targetInSlot } from '../../config/shared/slot-target.js';

interface ReadSlot {
  readonly stamp: number;
  readonly row: CompiledTarget;
  readonly target: CompiledTarget;
}

export class FoundTargets {
  private of: ServedConfig | null = null;
  private serial = 0;
  private shown: ServedConfig | null = null;
  /** By row: what was read last. A change of one target must not cost as much as all of them. */
  private readonly read: (ReadSlot | undefined)[] = [];

  constructor(private readonly slots: TargetSlotView) {}

  /** The same object as long as nothing has changed. */
  in(config: ServedConfig): ServedConfig {
    if (!config.targets.some(({ isSlot }) => isSlot)) return config;
    const { serial } = this.slots;
    if (this.shown !== null && this.of === config && this.serial === serial) return this.shown;
    const targets = config.targets.flatMap((target) => this.targetIn(target) ?? []);
    const there = new Set(targets.map(({ index }) => index));
    const upstreams = config.upstreams.map((upstream) => ({
      ...upstream,
      targetIndexes: upstream.targetIndexes.filter((row) => there.has(row)),
    }));
    this.of = config;
    this.serial = serial;
    this.shown = { ...config, targets, upstreams };
    return this.shown;
  }

  private targetIn(target: CompiledTarget): CompiledTarget | null {
    if (!target.isSlot) return target;
    const { slots } = this;
    const { index } = target;
    const stamp = slots.stampOf(index);
    if (phaseOf(stamp) !== SLOT_USED) return null;
    const [weight, isBackup] = [slots.weightOf(index), slots.isBackup(index)];
    const before = this.read[index];
    const isSame = before?.stamp === stamp && before.row === target;
    if (isSame && before.target.weight === weight && before.target.isBackup === isBackup) {
      return before.target;
    }
    const found = slots.read(index);
    if (found === null) return null;
    const read = { stamp, row: target, target: targetInSlot(target, found) };
    this.read[index] = read;
    return read.target;
  }
}

/** What the target in a row is called, also one that leaves; '': nobody is there. */
export function nameInSlot(slots: TargetSlotView, row: number): string {
  const found = slots.read(row);
  return found === null ? '' : hostPort(found.host, found.port);
}
