/**
 * The state of each target: breaker, health, turns, in shared memory.
 *
 * Thread: any (both ends). The coordinator is the only writer. Workers check a target's state
 * before they use a grant, and admin shows the rest.
 *
 *     row of target i: 256 bytes from i * 256
 *     word                                            byte, float64 each
 *     0   state of the breaker                        64   since when in this state
 *     1   failures in a row                           72   how long it stays open this time
 *     2   generation                                  80   since when the check says so
 *     3   probes in flight                            88   since when ejected or in
 *     4   serial of the last ticket                   96   ejected until
 *     5   times opened                                104  since when it warms up, 0: it does not
 *     6   why it is in this state                     112  balance of turns
 *     7   health: 1 unhealthy, 2 ejected, 4 absent    120  serial of the last sub-window
 *     8   1: probed by a health check
 *     9   probes in a row against the state           byte, int32 each
 *     10  5xx in a row                                128  successes, by sub-window (10)
 *     11  times ejected, less what was forgiven       168  failures, by sub-window (10)
 *     12  successes counted so far, wrapping          208… (free)
 *     13  why the last health check failed
 *
 * Other threads decide by words 0 and 7 only. A breaker whose open time is over reads OPEN until an
 * ask makes it half-open.
 */
import { assert } from '../../base/assert.js';

export const TARGET_CLOSED = 0;
export const TARGET_OPEN = 1;
export const TARGET_HALF_OPEN = 2;
export type TargetState = typeof TARGET_CLOSED | typeof TARGET_OPEN | typeof TARGET_HALF_OPEN;

export const HEALTH_UNHEALTHY = 1;
export const HEALTH_EJECTED = 2;
/** Nobody is in the row, or its target leaves: see target-slots.ts. */
export const HEALTH_ABSENT = 4;

/** Results of health checks, as the prober reports them: passed, or why the check failed. */
export const CHECK_PASSED = 0;
export const CHECK_CONNECT_FAILED = 1;
export const CHECK_TIMED_OUT = 2;
export const CHECK_UNEXPECTED_STATUS = 3;
export const CHECK_BROKE_OFF = 4;
// TLS failed, and why.
export const CHECK_CERTIFICATE_SELF_SIGNED = 5;
export const CHECK_CERTIFICATE_EXPIRED = 6;
export const CHECK_CERTIFICATE_NAME = 7;
export const CHECK_CERTIFICATE_UNTRUSTED = 8;
export const CHECK_CERTIFICATE_PIN = 9;
export const CHECK_CERTIFICATE_INVALID = 10;
export const CHECK_TLS_ALERT = 11;
export const CHECK_TLS_FAILED = 12;
export type CheckResult =
  | typeof CHECK_PASSED
  | typeof CHECK_CONNECT_FAILED
  | typeof CHECK_TIMED_OUT
  | typeof CHECK_UNEXPECTED_STATUS
  | typeof CHECK_BROKE_OFF
  | typeof CHECK_CERTIFICATE_SELF_SIGNED
  | typeof CHECK_CERTIFICATE_EXPIRED
  | typeof CHECK_CERTIFICATE_NAME
  | typeof CHECK_CERTIFICATE_UNTRUSTED
  | typeof CHECK_CERTIFICATE_PIN
  | typeof CHECK_CERTIFICATE_INVALID
  | typeof CHECK_TLS_ALERT
  | typeof CHECK_TLS_FAILED;

const ROW_SHIFT = 6;
const ROW_FLOAT_SHIFT = 5;
const ROW_BYTES = 256;
const STATE_WORD = 0;
const FAILURES_WORD = 1;
const GENERATION_WORD = 2;
const PROBES_WORD = 3;
const SERIAL_WORD = 4;
const OPENS_WORD = 5;
const CAUSE_WORD = 6;
const HEALTH_WORD = 7;
const PROBED_WORD = 8;
const CONTRADICTIONS_WORD = 9;
const BAD_ANSWERS_WORD = 10;
const EJECTIONS_WORD = 11;
const SUCCESSES_SEEN_WORD = 12;
const CHECK_FAILURE_WORD = 13;
const SINCE_FLOAT = 8;
const OPEN_FOR_FLOAT = 9;
const CHECK_SINCE_FLOAT = 10;
const OUTLIER_SINCE_FLOAT = 11;
const EJECTED_UNTIL_FLOAT = 12;
const WARM_SINCE_FLOAT = 13;
const BALANCE_FLOAT = 14;
const ROLLING_SERIAL_FLOAT = 15;
const SUCCESSES_WORD = 32;
const ROLLING_FAILURES_WORD = 42;

const STATE_NAMES = {
  [TARGET_CLOSED]: 'CLOSED',
  [TARGET_OPEN]: 'OPEN',
  [TARGET_HALF_OPEN]: 'HALF_OPEN',
} as const satisfies Readonly<Record<TargetState, string>>;
/**
 * Names of the breaker's causes, by number. The first is for a breaker that has never left
 * `closed`.
 */
const BREAKER_CAUSE_NAMES = [
  'none',
  'consecutiveFailures',
  'failureRate',
  'openPeriodOver',
  'probeSucceeded',
  'probeFailed',
] as const;
const CHECK_RESULT_NAMES = {
  [CHECK_PASSED]: 'passed',
  [CHECK_CONNECT_FAILED]: 'connectFailed',
  [CHECK_TIMED_OUT]: 'timedOut',
  [CHECK_UNEXPECTED_STATUS]: 'unexpectedStatus',
  [CHECK_BROKE_OFF]: 'brokeOff',
  [CHECK_CERTIFICATE_SELF_SIGNED]: 'certificateSelfSigned',
  [CHECK_CERTIFICATE_EXPIRED]: 'certificateExpired',
  [CHECK_CERTIFICATE_NAME]: 'certificateName',
  [CHECK_CERTIFICATE_UNTRUSTED]: 'certificateUntrusted',
  [CHECK_CERTIFICATE_PIN]: 'certificatePin',
  [CHECK_CERTIFICATE_INVALID]: 'certificateInvalid',
  [CHECK_TLS_ALERT]: 'tlsAlert',
  [CHECK_TLS_FAILED]: 'tlsFailed',
} as const satisfies Readonly<Record<CheckResult, string>>;

export type TargetStateName = (typeof STATE_NAMES)[TargetState];
/** The breaker's causes (policy/circuit-breaker/circuit-breaker.ts), as a row has them. */
export type BreakerCauseNumber = 0 | 1 | 2 | 3 | 4 | 5;
export type BreakerCauseName = (typeof BREAKER_CAUSE_NAMES)[number];
export type CheckResultName = (typeof CHECK_RESULT_NAMES)[CheckResult];

export function allocateTargetStates(targetCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, targetCount) * ROW_BYTES);
}

/** Main thread: clears the row for another target; nobody else uses the row at this time. */
export function clearTargetState(buffer: SharedArrayBuffer, targetIndex: number): void {
  const start = targetIndex * ROW_BYTES;
  new Uint8Array(buffer).fill(0, start, start + ROW_BYTES);
}

/** Why a breaker is in its state, in words. */
export function breakerCauseName(cause: BreakerCauseNumber): BreakerCauseName {
  return BREAKER_CAUSE_NAMES[cause];
}

/** The result of a health check, in words. */
export function checkResultName(result: CheckResult): CheckResultName {
  return CHECK_RESULT_NAMES[result];
}

/** The part of the rows that any thread may read. */
export class TargetStateView {
  protected readonly words: Int32Array;
  protected readonly floats: Float64Array;
  readonly targetCountMax: number;

  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength % ROW_BYTES === 0, 'the buffer holds whole rows');
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.targetCountMax = buffer.byteLength / ROW_BYTES;
  }

  /**
   * Whether the target is there, closed, healthy and not ejected. Hot path, watched by
   * bench/micro/worker/key-grants: read before every granted turn.
   */
  isFree(targetIndex: number): boolean {
    return this.stateOf(targetIndex) === TARGET_CLOSED && this.healthOf(targetIndex) === 0;
  }

  stateOf(targetIndex: number): TargetState {
    return Atomics.load(this.words, targetIndex << ROW_SHIFT) as TargetState;
  }

  /** Bits: {@link HEALTH_UNHEALTHY}, {@link HEALTH_EJECTED}, {@link HEALTH_ABSENT}. */
  healthOf(targetIndex: number): number {
    return Atomics.load(this.words, (targetIndex << ROW_SHIFT) + HEALTH_WORD);
  }

  /** The state under the name that /stats shows. */
  stateNameOf(targetIndex: number): TargetStateName {
    return STATE_NAMES[this.stateOf(targetIndex)];
  }

  failuresOf(targetIndex: number): number {
    return this.word(targetIndex, FAILURES_WORD);
  }

  probesOf(targetIndex: number): number {
    return this.word(targetIndex, PROBES_WORD);
  }

  /** How often its breaker has opened. */
  opensOf(targetIndex: number): number {
    return this.word(targetIndex, OPENS_WORD);
  }

  /** Why the breaker is in its state. */
  causeNameOf(targetIndex: number): BreakerCauseName {
    return breakerCauseName(this.word(targetIndex, CAUSE_WORD) as BreakerCauseNumber);
  }

  checkFailureOf(targetIndex: number): CheckResultName {
    return checkResultName(this.word(targetIndex, CHECK_FAILURE_WORD) as CheckResult);
  }

  /** Times ejected, less the intervals in which the target has been well since. */
  ejectionsOf(targetIndex: number): number {
    return this.word(targetIndex, EJECTIONS_WORD);
  }

  /**
   * Since when the breaker is in its state, on the monotonic clock; 0: it has never left `closed`.
   */
  sinceMsOf(targetIndex: number): number {
    return this.float(targetIndex, SINCE_FLOAT);
  }

  openForMsOf(targetIndex: number): number {
    return this.float(targetIndex, OPEN_FOR_FLOAT);
  }

  checkSinceMsOf(targetIndex: number): number {
    return this.float(targetIndex, CHECK_SINCE_FLOAT);
  }

  outlierSinceMsOf(targetIndex: number): number {
    return this.float(targetIndex, OUTLIER_SINCE_FLOAT);
  }

  ejectedUntilMsOf(targetIndex: number): number {
    return this.float(targetIndex, EJECTED_UNTIL_FLOAT);
  }

  warmSinceMsOf(targetIndex: number): number {
    return this.float(targetIndex, WARM_SINCE_FLOAT);
  }

  private word(targetIndex: number, word: number): number {
    return this.words[(targetIndex << ROW_SHIFT) + word] as number;
  }

  private float(targetIndex: number, float: number): number {
    return this.floats[(targetIndex << ROW_FLOAT_SHIFT) + float] as number;
  }
}

/** Coordinator only: one row at a time, as plain fields. */
export class TargetStateRow extends TargetStateView {
  private base = 0;
  private floatBase = 0;

  bind(targetIndex: number): this {
    assert(targetIndex >= 0 && targetIndex < this.targetCountMax, 'the target has a row');
    this.base = targetIndex << ROW_SHIFT;
    this.floatBase = targetIndex << ROW_FLOAT_SHIFT;
    return this;
  }

  get state(): TargetState {
    return this.get(STATE_WORD) as TargetState;
  }
  set state(value: TargetState) {
    if (value === TARGET_OPEN) this.put(OPENS_WORD, this.get(OPENS_WORD) + 1);
    Atomics.store(this.words, this.base, value);
  }
  get failures(): number {
    return this.get(FAILURES_WORD);
  }
  set failures(value: number) {
    this.put(FAILURES_WORD, value);
  }
  get generation(): number {
    return this.get(GENERATION_WORD);
  }
  set generation(value: number) {
    this.put(GENERATION_WORD, value);
  }
  get probes(): number {
    return this.get(PROBES_WORD);
  }
  set probes(value: number) {
    this.put(PROBES_WORD, value);
  }
  get serial(): number {
    return this.get(SERIAL_WORD);
  }
  set serial(value: number) {
    this.put(SERIAL_WORD, value);
  }
  get cause(): BreakerCauseNumber {
    return this.get(CAUSE_WORD) as BreakerCauseNumber;
  }
  set cause(value: BreakerCauseNumber) {
    this.put(CAUSE_WORD, value);
  }
  get isUnhealthy(): boolean {
    return (this.get(HEALTH_WORD) & HEALTH_UNHEALTHY) !== 0;
  }
  set isUnhealthy(value: boolean) {
    this.putHealth(HEALTH_UNHEALTHY, value);
  }
  get isEjected(): boolean {
    return (this.get(HEALTH_WORD) & HEALTH_EJECTED) !== 0;
  }
  set isEjected(value: boolean) {
    this.putHealth(HEALTH_EJECTED, value);
  }
  get isAbsent(): boolean {
    return (this.get(HEALTH_WORD) & HEALTH_ABSENT) !== 0;
  }
  set isAbsent(value: boolean) {
    this.putHealth(HEALTH_ABSENT, value);
  }
  get isProbed(): boolean {
    return this.get(PROBED_WORD) === 1;
  }
  set isProbed(value: boolean) {
    this.put(PROBED_WORD, value ? 1 : 0);
  }
  get contradictions(): number {
    return this.get(CONTRADICTIONS_WORD);
  }
  set contradictions(value: number) {
    this.put(CONTRADICTIONS_WORD, value);
  }
  get badAnswers(): number {
    return this.get(BAD_ANSWERS_WORD);
  }
  set badAnswers(value: number) {
    this.put(BAD_ANSWERS_WORD, value);
  }
  get ejections(): number {
    return this.get(EJECTIONS_WORD);
  }
  set ejections(value: number) {
    this.put(EJECTIONS_WORD, value);
  }
  get successesSeen(): number {
    return this.get(SUCCESSES_SEEN_WORD);
  }
  set successesSeen(value: number) {
    this.put(SUCCESSES_SEEN_WORD, value);
  }
  set checkFailure(value: CheckResult) {
    this.put(CHECK_FAILURE_WORD, value);
  }
  get sinceMs(): number {
    return this.getFloat(SINCE_FLOAT);
  }
  set sinceMs(value: number) {
    this.putFloat(SINCE_FLOAT, value);
  }
  get openForMs(): number {
    return this.getFloat(OPEN_FOR_FLOAT);
  }
  set openForMs(value: number) {
    this.putFloat(OPEN_FOR_FLOAT, value);
  }
  set checkSinceMs(value: number) {
    this.putFloat(CHECK_SINCE_FLOAT, value);
  }
  get outlierSinceMs(): number {
    return this.getFloat(OUTLIER_SINCE_FLOAT);
  }
  set outlierSinceMs(value: number) {
    this.putFloat(OUTLIER_SINCE_FLOAT, value);
  }
  get ejectedUntilMs(): number {
    return this.getFloat(EJECTED_UNTIL_FLOAT);
  }
  set ejectedUntilMs(value: number) {
    this.putFloat(EJECTED_UNTIL_FLOAT, value);
  }
  get warmSinceMs(): number {
    return this.getFloat(WARM_SINCE_FLOAT);
  }
  set warmSinceMs(value: number) {
    this.putFloat(WARM_SINCE_FLOAT, value);
  }
  get balance(): number {
    return this.getFloat(BALANCE_FLOAT);
  }
  set balance(value: number) {
    this.putFloat(BALANCE_FLOAT, value);
  }
  get rollingSerial(): number {
    return this.getFloat(ROLLING_SERIAL_FLOAT);
  }
  set rollingSerial(value: number) {
    this.putFloat(ROLLING_SERIAL_FLOAT, value);
  }

  successesAt(slot: number): number {
    return this.get(SUCCESSES_WORD + slot);
  }

  failuresAt(slot: number): number {
    return this.get(ROLLING_FAILURES_WORD + slot);
  }

  setCountsAt(slot: number, successes: number, failures: number): void {
    this.put(SUCCESSES_WORD + slot, successes);
    this.put(ROLLING_FAILURES_WORD + slot, failures);
  }

  private putHealth(bit: number, isSet: boolean): void {
    const health = this.get(HEALTH_WORD);
    const next = isSet ? health | bit : health & ~bit;
    Atomics.store(this.words, this.base + HEALTH_WORD, next);
  }

  private get(word: number): number {
    return this.words[this.base + word] as number;
  }

  private put(word: number, value: number): void {
    this.words[this.base + word] = value;
  }

  private getFloat(float: number): number {
    return this.floats[this.floatBase + float] as number;
  }

  private putFloat(float: number, value: number): void {
    this.floats[this.floatBase + float] = value;
  }
}
