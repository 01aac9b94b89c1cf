/**
 * Does what the coordinator wants of the store, and says whether the store can be used.
 *
 * Thread: store. Owns the connection, and the state of the store as all threads see it.
 *
 *     lost ──a beat is answered──► up
 *     up ──the connection ends, or three answers in a row are missing or errors──► lost
 *
 * While the store is lost every ask is answered at once that there is no answer; a beat every
 * quarter of a second finds out when it is back. Invariant: a command is written at most once, and
 * answered once; where its answer is late, that is said before, in time. What an answer gave is
 * lost that never comes, since its connection has ended.
 */
import type { Clock } from '../base/clock.js';
import type { StoreAnswerer } from '../channel/store/store-channel.js';
import type { StoreReport } from '../channel/store/store-messages.js';
import {
  TAKEN_FAILED,
  TAKEN_LATE,
  type TakeFields,
  type TakenOutcome,
} from '../channel/store/store-records.js';
import { SILENCE_MS, STORE_LOST, STORE_UP, TOKEN_MS_MAX } from '../channel/store/store-status.js';
import type { CompiledStore } from '../config/store-settings.js';
import { BEAT_SCRIPT } from './beat-script.js';
import { EvictionWatch } from './eviction-watch.js';
import { connectNodes, leaveReplica, RECONNECT_MS, type StoreClient } from './redis-client.js';
import { Script } from './script.js';
import {
  KEYS_PER_CALL_MAX,
  readTakeReply,
  type StateKnown,
  StoreKeys,
  type TakeReply,
  tagOf,
  takeArguments,
} from './take-command.js';
import { TAKE_SCRIPT } from './take-script.js';

/** Answers in a row that are missing, or errors, by which the store counts as lost. */
const MISSES_MAX = 3;
const BEAT_UP_MS = 200;
const BEAT_LOST_MS = RECONNECT_MS;
/** A gateway that has not beaten for this time is forgotten by the store. */
const NODE_LIVES_MS = 60_000;
/** The most gateways of this time count: a store that comes back knows of few at first. */
const NODES_KEPT_MS = 60_000;
const CLOCK_JUMP_MS = 1000;
/** After this time without a question about limits the state is asked for. */
const STATE_LOOK_MS = 500;
/** Longest wait for the store to hear that this gateway ends. */
const LEAVE_MS_MAX = 100;
const TIMED_OUT = 'Command timed out';
/** In a store of one node all keys of a call may be together. */
const ONE_TAG = '0';

export interface StoreAgentParts {
  readonly config: CompiledStore;
  readonly answerer: StoreAnswerer;
  readonly client: StoreClient;
  readonly clock: Clock;
  /** Names this gateway among those that share the store. */
  readonly nodeId: string;
  report(report: StoreReport): void;
}

export class StoreAgent {
  private readonly keys: StoreKeys;
  private readonly take = new Script(TAKE_SCRIPT);
  private readonly beat = new Script(BEAT_SCRIPT);
  private readonly evictions: EvictionWatch;
  private run = '';
  private isRunKnown = false;
  private epoch = 0;
  private isFound = false;
  private misses = 0;
  private nextBeatMs = 0;
  private isBeating = false;
  private isStopping = false;
  private clockDifferenceMs = Number.NaN;
  /** What the store last told as its time; 0: nothing. */
  private token = 0;
  private takenMs = Number.NEGATIVE_INFINITY;
  private nodesSeen = 0;
  private nodesSeenMs = 0;

  constructor(private readonly parts: StoreAgentParts) {
    const { client, config } = parts;
    this.keys = new StoreKeys(config.prefix);
    this.evictions = new EvictionWatch(parts);
    parts.answerer.status.setState(STORE_LOST);
    client.on('error', (error: Error) => this.lose(error.message));
    client.on('close', () => this.onClosed());
    client.on('end', () => this.onEnded());
    client.on('ready', () => this.onReady());
  }

  /** Whether the store can be used. */
  get isUp(): boolean {
    return this.isFound;
  }

  /** What is due by the clock; to be called several times a second. */
  onTick(): void {
    const { answerer, clock } = this.parts;
    answerer.status.beat();
    if (clock.nowMs() >= this.nextBeatMs) this.sendBeat();
  }

  /** The coordinator has asked for something. */
  onWake(): void {
    const batches = new Map<string, TakeFields[]>();
    const { answerer, config } = this.parts;
    for (let take = answerer.nextTake(); take !== null; take = answerer.nextTake()) {
      const tag = config.kind === 'cluster' ? tagOf(take) : ONE_TAG;
      const batch = batches.get(tag) ?? [];
      batches.set(tag, batch);
      batch.push(take);
      if (batch.length < KEYS_PER_CALL_MAX) continue;
      batches.delete(tag);
      this.send(tag, batch);
    }
    for (const [tag, batch] of batches) this.send(tag, batch);
    answerer.flush();
  }

  /** Tells the store that this gateway ends, and closes the connection. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const { client, clock, nodeId, answerer } = this.parts;
    // What the store was not told of keeps this gateway's part from the others for a while.
    if (this.isFound && !answerer.status.hasUntold) {
      const left = client.zrem(this.keys.nodes, nodeId).catch(() => 0);
      const waited = new Promise((resolve) => clock.after(LEAVE_MS_MAX, () => resolve(0)));
      await Promise.race([left, waited]);
    }
    client.disconnect();
  }

  private send(tag: string, takes: readonly TakeFields[]): void {
    if (!this.isFound) {
      this.fail(takes);
      return;
    }
    const { answerer, client } = this.parts;
    const { names, values } = takeArguments(takes, this.keys, { tag, known: this.known });
    answerer.status.count('trips', 1);
    answerer.status.count('keys', takes.length);
    const run = this.take.run(client, names, values);
    const reply = run.then((numbers) => readTakeReply(numbers, takes));
    this.inTime(reply)
      .then((inTime) => this.onTaken(inTime))
      .catch((error: Error) => {
        answerer.status.count('failures', 1);
        if (!isBetweenNodes(error)) this.onMissed(error);
        if (isTimeout(error)) this.awaitLate(reply, takes);
        else this.fail(takes);
        answerer.flush();
      });
  }

  private onTaken(reply: TakeReply): void {
    this.misses = 0;
    this.takenMs = this.parts.clock.nowMs();
    this.noteTime(reply.timeUs);
    this.answerAll(reply);
  }

  private answerAll({ epoch, taken }: TakeReply): void {
    const { answerer } = this.parts;
    this.noteEpoch(epoch);
    for (const one of taken) {
      answerer.status.count('units', one.units);
      answerer.answer(one);
    }
    answerer.flush();
  }

  /** Whoever waits goes on without it, and is told what it has given. */
  private awaitLate(reply: Promise<TakeReply>, takes: readonly TakeFields[]): void {
    this.fail(takes, TAKEN_LATE);
    reply
      .then((late) => this.answerAll(late))
      .catch(() => {
        this.fail(takes);
        this.parts.answerer.flush();
      });
  }

  private fail(takes: readonly TakeFields[], outcome: TakenOutcome = TAKEN_FAILED): void {
    for (const { generation, serial } of takes) {
      this.parts.answerer.answer({
        ...{ generation, serial, outcome },
        ...{ units: 0, left: 0, stamp: 0, waitUs: 0, resetUs: 0, validUs: 0, epoch: 0 },
        ...{ used: 0, atUs: 0 },
      });
    }
  }

  /** Rejects where an answer does not come in time; it may come later. */
  private inTime<T>(answer: Promise<T>): Promise<T> {
    const { clock, config } = this.parts;
    return new Promise((resolve, reject) => {
      const timer = clock.after(config.timeoutMs, () => reject(new Error(TIMED_OUT)));
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** In a Redis Cluster each node has an epoch of its own: their changes are not looked for. */
  private noteEpoch(epoch: number): void {
    const { answerer, config, report } = this.parts;
    if (epoch === this.epoch || config.kind === 'cluster') {
      this.epoch = epoch;
      return;
    }
    if (this.epoch !== 0) {
      answerer.status.count('epochs', 1);
      answerer.status.onEpoch();
      const message = 'the store has lost its state: limits may have been forgotten';
      report({ type: 'warning', message, details: {} });
    }
    this.epoch = epoch;
  }

  private noteTime(timeUs: number): void {
    const { answerer, clock, report } = this.parts;
    const differenceMs = timeUs / 1000 - clock.nowMs();
    const jumpMs = differenceMs - this.clockDifferenceMs;
    this.clockDifferenceMs = differenceMs;
    if (!(Math.abs(jumpMs) > CLOCK_JUMP_MS)) return;
    answerer.status.count('clockJumps', 1);
    const message = 'the clock of the store has jumped';
    report({ type: 'warning', message, details: { jumpMs: Math.round(jumpMs) } });
  }

  private onReady(): void {
    this.parts.answerer.status.count('connections', 1);
    this.evictions.lookSoon();
    this.isRunKnown = false;
    this.nextBeatMs = 0;
    this.sendBeat();
  }

  private onClosed(): void {
    this.isRunKnown = false;
    this.lose('the connection has ended');
  }

  /**
   * ioredis has given up: it does so where Sentinels tell of another primary while it connects with
   * the one before.
   */
  private onEnded(): void {
    const { client, clock } = this.parts;
    this.isRunKnown = false;
    if (this.isStopping) return;
    clock.after(RECONNECT_MS, () => {
      // Where it gives up once more it ends once more, and says why in an event of its own.
      if (!this.isStopping) client.connect().catch(() => {});
    });
  }

  private sendBeat(): void {
    const { client, clock } = this.parts;
    if (this.isBeating || client.status !== 'ready') return;
    this.isBeating = true;
    this.nextBeatMs = clock.nowMs() + (this.isFound ? BEAT_UP_MS : BEAT_LOST_MS);
    this.beatOnce()
      .catch((error: Error) => this.onMissed(error))
      .finally(() => {
        this.isBeating = false;
      });
  }

  private async beatOnce(): Promise<void> {
    const { client } = this.parts;
    await connectNodes(client);
    if (!this.isRunKnown) await this.readRun(client);
    await this.sayHere(client);
    // Whether the state is still the one that it was, also where nobody asks for anything.
    const hasAsked = this.isUp && this.parts.clock.nowMs() - this.takenMs < STATE_LOOK_MS;
    if (this.parts.config.kind !== 'cluster' && !hasAsked) await this.lookAtState(client);
    this.misses = 0;
    this.find();
    await this.evictions.look();
  }

  private async sayHere(client: StoreClient): Promise<void> {
    const { clock, nodeId, answerer } = this.parts;
    const token = answerer.status.hasUntold ? 0 : this.token;
    const times = [NODE_LIVES_MS * 1000, SILENCE_MS * 1000, token, TOKEN_MS_MAX * 1000];
    const sentMs = clock.nowMs();
    const reply = await this.inTime(this.beat.run(client, [this.keys.nodes], [nodeId, ...times]));
    const [known, timeUs, silent, isHeard] = reply as number[];
    if (known === undefined || timeUs === undefined || silent === undefined) {
      throw new Error('the store gave a reply of another kind');
    }
    this.token = timeUs;
    // It is heard by the next beat, which has this token.
    if (isHeard !== 1) this.nextBeatMs = 0;
    const nowMs = clock.nowMs();
    answerer.status.setView({ nodes: this.keepNodes(known, nowMs), silent, sentMs, nowMs });
    this.noteTime(timeUs);
  }

  private async lookAtState(client: StoreClient): Promise<void> {
    const { names, values } = takeArguments([], this.keys, { tag: ONE_TAG, known: this.known });
    const reply = await this.inTime(this.take.run(client, names, values));
    this.noteEpoch(readTakeReply(reply, []).epoch);
  }

  private get known(): StateKnown {
    return { run: this.run, hasSeenState: this.epoch !== 0, nodeId: this.parts.nodeId };
  }

  /** Which process serves: another one may have another state. */
  private async readRun(client: StoreClient): Promise<void> {
    if (this.parts.config.kind !== 'cluster') {
      const info = await this.inTime(client.info('server')).catch((error: Error) => {
        // Without the right to ask nothing is known, and a loss is seen by the missing state only.
        if (error.message.startsWith('NOPERM')) return '';
        throw error;
      });
      this.run = /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
    }
    this.isRunKnown = true;
  }

  /** The most gateways of the last minute. */
  private keepNodes(count: number, nowMs: number): number {
    const isKept = count < this.nodesSeen && nowMs - this.nodesSeenMs < NODES_KEPT_MS;
    if (isKept) return this.nodesSeen;
    this.nodesSeen = count;
    this.nodesSeenMs = nowMs;
    return count;
  }

  private find(): void {
    if (this.isFound) return;
    this.isFound = true;
    this.parts.answerer.status.setState(STORE_UP);
    this.parts.report({ type: 'state', isUp: true, reason: '' });
  }

  private lose(reason: string): void {
    if (!this.isFound) return;
    const { status } = this.parts.answerer;
    this.isFound = false;
    this.nextBeatMs = 0;
    status.setState(STORE_LOST);
    status.count('losses', 1);
    this.parts.report({ type: 'state', isUp: false, reason });
  }

  /** An answer is missing, or is an error. */
  private onMissed(error: Error): void {
    const { answerer, client } = this.parts;
    if (isTimeout(error)) answerer.status.count('timeouts', 1);
    this.misses += 1;
    // A connection that is silent ends by itself.
    const isReplica = leaveReplica(client, error);
    if (this.misses >= MISSES_MAX || isReplica) this.lose(error.message);
  }
}

/**
 * Keys of one question lie on two nodes of a Redis Cluster while their slot moves (TRYAGAIN, and
 * then MOVED or ASK once more). Both nodes are well; whether they are, the next beat shows.
 */
function isBetweenNodes({ message }: Error): boolean {
  return message.startsWith('Too many Cluster redirections');
}

/** Of ours, or of ioredis. */
function isTimeout({ message }: Error): boolean {
  return message === TIMED_OUT;
}
