/**
 * The way of every reply from its target, or from the gateway itself, to the client.
 *
 *     target ──► stages of the route, if any ──► lane        and back: window, room on the lane
 *
 * Thread: worker. Owns the replies whose targets wait for room on the lane. Two ends are told
 * apart: that the target is done is the business of tries/; that all of the reply is on the lane is
 * told here, once, by onDelivered.
 */
import { defined } from '../../base/assert.js';
import { type FieldBlock, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { grpcStatusOfRefusal } from '../../base/grpc-status.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { ReplySink, ReplyStage, StageHead, StageSource } from '../../filters/reply-stage.js';
import { grpcStatusFields } from '../../wire/grpc/trailers-only.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import { SWITCHING_PROTOCOLS } from '../../wire/http1/status-line.js';
import type { Exchange } from '../exchange/exchange.js';
import type { EventFlow } from '../exchange/reply-state.js';
import { type EventStreamParts, EventStreams } from './event-streams.js';
import type { LaneWriter } from './lane-writer.js';
import { fieldsLetThrough } from './late-fields.js';
import { contentOf, refusalOfCall } from './local-content.js';
import { resumeSource, sendFromMemory } from './memory-body.js';
import { checkLength } from './reply-length.js';
import { StagedReply } from './staged-reply.js';

const SILENT = 'the target of the event stream was silent for too long';

const NO_STAGES: readonly StageSource[] = [];

export interface ReplyPathParts {
  readonly writer: LaneWriter;
  readonly streams: Pick<EventStreamParts, 'wheel' | 'ledger' | 'unixMs'>;
  nowMs(): number;
  /** All of the reply is on the lane. */
  onDelivered(exchange: Exchange): void;
  /** A stage cannot let the reply out: the client gets this instead, or is cut off. */
  refuse(exchange: Exchange, problem: ProblemKind, detail: string): void;
  /** A stage threw: the reply cannot go out. */
  onBroken(exchange: Exchange, error: unknown): void;
  /** The reply does not come to its end: the client gets a problem, or is cut off. */
  onStuck(exchange: Exchange): void;
  /** The head of a target is there, and does not say how long the body is. */
  onStream(exchange: Exchange): void;
  /** A target has opened a tunnel: it is no request that is in flight any more. */
  onTunnel(exchange: Exchange): void;
  /** A mistake that costs no reply. */
  onError(error: unknown): void;
}

export class ReplyPath {
  /** Their targets wait until the lane has room. */
  private readonly behind: Exchange[] = [];
  private readonly streams: EventStreams;

  constructor(private readonly parts: ReplyPathParts) {
    const { streams, nowMs } = parts;
    this.streams = new EventStreams(
      { ...streams, nowMs },
      {
        takesMore: ({ reply }) =>
          !reply.isPaused && !reply.isTargetPaused && reply.window >= reply.windowMin,
        send: (exchange, bytes) => this.sendComment(exchange, bytes),
        endByGateway: (exchange, cause) => this.endStream(exchange, cause),
      },
    );
  }

  // Hot path (bench/gateway/plain-get): once for every reply of a target.
  /** The head of the target that answers. `ownFields` are what the gateway adds to it. */
  head(exchange: Exchange, status: number, block: ReplyFieldBlock, ownFields: FieldBlock): void {
    const { reply, route, head } = exchange;
    reply.onHead(status, block, head.method === 'HEAD', this.parts.nowMs());
    if (reply.bodyBytes === -1 && !reply.isBodiless) {
      this.parts.onStream(exchange);
      if (status === 200) this.openStream(exchange);
    }
    if (ownFields !== NO_FIELDS) reply.edit(joinFields(block.fields, ownFields), reply.bodyBytes);
    if (status === SWITCHING_PROTOCOLS) {
      this.openTunnel(exchange);
      return;
    }
    const sources = route === null ? NO_STAGES : route.replyStages;
    if (sources.length === 0) this.parts.writer.head(exchange);
    else this.openTargetReply(exchange, sources);
  }

  private openStream(exchange: Exchange): void {
    exchange.reply.stream(this.streams.open(exchange));
  }

  private closeStream({ reply }: Exchange): void {
    const { events } = reply;
    if (events === null) return;
    reply.stream(null);
    events.close();
  }

  /** The target is silent for longer than an event stream may be. */
  endSilent(exchange: Exchange): void {
    this.endStream(exchange, SILENT);
  }

  /** An event stream is over because the gateway says so: it ends as a whole reply. */
  private endStream(exchange: Exchange, cause: string): void {
    const { reply } = exchange;
    reply.onEndedByGateway(cause);
    reply.onMoved(this.parts.nowMs());
    this.writeRest(exchange);
    if (reply.staged === null) this.writeEnd(exchange);
    else reply.staged.endEarly();
  }

  /** A heartbeat passes the stages as what the target sends does. */
  private sendComment(exchange: Exchange, bytes: Buffer): void {
    const { staged } = exchange.reply;
    if (staged === null) this.parts.writer.data(exchange, bytes, false);
    else staged.data(bytes, false);
  }

  /** It passes no stages: it has no body, and what follows it is none. */
  private openTunnel(exchange: Exchange): void {
    const { writer } = this.parts;
    const tunnel = defined(exchange.tunnel, 'the tunnel that was asked for');
    exchange.reply.openTunnel(tunnel);
    writer.tunnelHead(exchange, tunnel.key);
    this.parts.onTunnel(exchange);
    tunnel.open({
      send: (bytes, isAtBorder) => {
        writer.tunnelBytes(exchange, bytes, isAtBorder);
        return this.keepPace(exchange);
      },
      end: () => writer.tunnelEnd(exchange),
      finish: (isClientDone) => {
        if (!isClientDone) writer.cut(exchange);
        this.onDelivered(exchange);
      },
    });
  }

  private openTargetReply(exchange: Exchange, sources: readonly StageSource[]): void {
    const { status, fields, bodyBytes, isBodiless } = exchange.reply;
    const forms = exchange.caching?.forms ?? null;
    const head: StageHead = { status, fields, bodyBytes, isBodiless, isLocal: false, forms };
    try {
      const stages = sources
        .map((source) => source.open(exchange, head))
        .filter((stage) => stage !== null);
      this.begin(exchange, head, stages);
    } catch (error) {
      this.break(exchange, error);
    }
  }

  /** The stages are known: the head goes into the first, or onto the lane. */
  private begin(exchange: Exchange, head: StageHead, stages: readonly ReplyStage[]): void {
    const [first, ...others] = stages;
    if (first === undefined) {
      exchange.reply.edit(head.fields, head.bodyBytes);
      this.parts.writer.head(exchange);
      return;
    }
    const staged = new StagedReply([first, ...others], this.laneOf(exchange), {
      resumeTarget: () => resumeSource(exchange, this),
      refuse: (problem, detail) => {
        exchange.reply.giveUpStages();
        this.parts.refuse(exchange, problem, detail);
      },
      onBroken: (error) => this.break(exchange, error),
      onError: (error) => this.parts.onError(error),
    });
    exchange.reply.enter(staged);
    staged.head(head);
  }

  private break(exchange: Exchange, error: unknown): void {
    exchange.reply.giveUpStages();
    this.parts.onBroken(exchange, error);
  }

  // Hot path (bench/gateway/stream-down): every piece of every reply.
  /** The bytes are valid inside the call only. False: no more until the target is resumed. */
  data(exchange: Exchange, bytes: Buffer, isLast: boolean): boolean {
    const { staged } = exchange.reply;
    exchange.cost?.onData(bytes);
    if (exchange.grpc?.scanReply(bytes) === false) {
      const detail = 'A message of the call is longer than grpc.maxReplyMessageBytes.';
      this.parts.refuse(exchange, PROBLEMS.grpcMessageTooLarge, detail);
      return true;
    }
    const { events } = exchange.reply;
    if (events !== null) return this.takeEvents(exchange, events, bytes, isLast);
    if (staged === null) return this.write(exchange, bytes, isLast);
    exchange.reply.onMoved(this.parts.nowMs());
    return staged.data(bytes, isLast);
  }

  /** Events are told apart before a stage may make something else of their bytes. */
  private takeEvents(
    exchange: Exchange,
    events: EventFlow,
    bytes: Buffer,
    isLast: boolean,
  ): boolean {
    const { staged } = exchange.reply;
    const nowMs = this.parts.nowMs();
    const taken = events.take(bytes, nowMs);
    const sent = isLast ? Buffer.concat([taken, events.rest()]) : taken;
    exchange.reply.onMoved(nowMs);
    if (sent.length === 0 && !isLast) return !exchange.reply.isTargetPaused;
    return staged === null ? this.write(exchange, sent, isLast) : staged.data(sent, isLast);
  }

  private write(exchange: Exchange, bytes: Buffer, isLast: boolean): boolean {
    this.parts.writer.data(exchange, bytes, isLast);
    if (isLast) {
      this.onDelivered(exchange);
      return true;
    }
    return this.keepPace(exchange);
  }

  /** False: the target has to wait for the client, or for the lane. */
  private keepPace(exchange: Exchange): boolean {
    const { reply } = exchange;
    reply.onMoved(this.parts.nowMs());
    if (reply.window < reply.windowMin) {
      reply.pause();
    } else if (this.parts.writer.isBehind) {
      reply.pause();
      this.behind.push(exchange);
    }
    return !reply.isPaused;
  }

  /** A part of a reply that no client gets: its target has moved all the same. */
  skip(exchange: Exchange): void {
    exchange.reply.onMoved(this.parts.nowMs());
  }

  /** Its client has gone, and the reply goes on coming for others: nothing more is written. */
  goOnAside(exchange: Exchange): void {
    this.release(exchange);
    exchange.reply.goOnForOthers();
  }

  /** The whole body, which lies in memory: it goes out as the client takes it. */
  whole(exchange: Exchange, body: Buffer): void {
    if (body.length === 0 || exchange.reply.isBodiless) this.end(exchange);
    else sendFromMemory(exchange, body, this);
  }

  /** A head before that of the reply: no stage sees it. One that loses all its fields goes. */
  interim(exchange: Exchange, status: number, fields: FieldBlock): void {
    if (exchange.reply.isHandedOn) return;
    const left = this.letThrough(exchange, status, fields);
    if (left !== NO_FIELDS || fields === NO_FIELDS)
      this.parts.writer.interim(exchange, status, left);
  }

  /** A filter that throws lets nothing through; its reply is whole without. */
  private letThrough(exchange: Exchange, status: number, fields: FieldBlock): FieldBlock {
    try {
      return fieldsLetThrough(exchange, status, fields);
    } catch (error) {
      this.parts.onError(error);
      return NO_FIELDS;
    }
  }

  /** The body is complete, and these fields follow it. */
  trailers(exchange: Exchange, all: FieldBlock): void {
    const { staged, status } = exchange.reply;
    exchange.cost?.readFields(all);
    const fields = this.letThrough(exchange, status, all);
    this.writeRest(exchange);
    if (fields === NO_FIELDS) this.end(exchange);
    else if (staged === null) this.writeTrailers(exchange, fields);
    else staged.trailers(fields);
  }

  private writeTrailers(exchange: Exchange, fields: FieldBlock): void {
    this.parts.writer.trailers(exchange, fields);
    this.onDelivered(exchange);
  }

  /** The body is complete. */
  end(exchange: Exchange): void {
    const { staged } = exchange.reply;
    this.writeRest(exchange);
    if (staged === null) this.writeEnd(exchange);
    else staged.end();
  }

  /** What an event stream has held back. */
  private writeRest(exchange: Exchange): void {
    const { events } = exchange.reply;
    const rest = events === null ? null : events.rest();
    if (rest !== null && rest.length > 0) this.sendComment(exchange, rest);
  }

  private writeEnd(exchange: Exchange): void {
    this.parts.writer.end(exchange);
    this.onDelivered(exchange);
  }

  private onDelivered(exchange: Exchange): void {
    const { reply } = exchange;
    if (reply.staged !== null) {
      reply.staged.close();
      reply.enter(null);
    }
    this.parts.onDelivered(exchange);
  }

  /** What a target has begun goes nowhere: nothing of it has reached the client. */
  takeBack(exchange: Exchange): void {
    const { reply } = exchange;
    this.closeStream(exchange);
    exchange.grpc?.onReplyTakenBack();
    reply.staged?.cancel();
    reply.enter(null);
    reply.takeHeadBack();
  }

  /**
   * The reply has begun and cannot be completed: the client is cut off. `problem` is why the
   * gateway ends it; null: its target has.
   */
  cut(exchange: Exchange, problem: ProblemKind | null): void {
    const { reply } = exchange;
    if (problem !== null && this.endCall(exchange, problem)) return;
    reply.staged?.abort();
    reply.enter(null);
    reply.onCut(problem);
    this.parts.writer.cut(exchange);
  }

  /** A client of gRPC is told why its call ends, where that can follow what it has. */
  private endCall(exchange: Exchange, problem: ProblemKind): boolean {
    const { reply, grpc } = exchange;
    if (grpc === null || !grpc.hasTrailers || reply.isUnstaged) return false;
    const code = grpcStatusOfRefusal(problem.status);
    const fields = grpcStatusFields(code, problem.title);
    grpc.onStatus(code);
    reply.onCut(problem);
    if (reply.staged === null) this.parts.writer.trailers(exchange, fields);
    else reply.staged.trailers(fields);
    // A stage that keeps the end for later cannot deliver it: the exchange is over before that.
    return reply.staged === null;
  }

  /** A reply of the gateway's own, in place of whatever a target has begun. */
  sendLocal(exchange: Exchange, asked: LocalReply): void {
    this.takeBack(exchange);
    const { reply, route, head } = exchange;
    const asHttp = joinFields(exchange.replyFields, asked.fields);
    const refused = refusalOfCall(exchange, asked, asHttp);
    const local = refused ?? asked;
    const fields = refused === null ? asHttp : refused.fields;
    const { status } = local;
    const isBodiless = head.method === 'HEAD' || status === 204 || status === 304;
    reply.onLocal(local, isBodiless);
    const sources = route === null ? NO_STAGES : route.replyStages;
    if (sources.length === 0) {
      this.writeLocal(exchange, local, fields);
      return;
    }
    const opened = { status, fields, bodyBytes: -1, isBodiless, isLocal: true, forms: null };
    const stages = sources
      .map((source) => this.tryOpen(exchange, source, opened))
      .filter((stage) => stage !== null);
    if (stages.length === 0 || reply.isUnstaged) this.writeLocal(exchange, local, opened.fields);
    else this.stageLocal(exchange, local, opened, stages);
  }

  /** A reply of our own holds nothing that a stage would have to take out: it goes without. */
  private tryOpen(exchange: Exchange, source: StageSource, head: StageHead): ReplyStage | null {
    const { fields } = head;
    try {
      return source.open(exchange, head);
    } catch (error) {
      head.fields = fields;
      this.parts.onError(error);
      return null;
    }
  }

  private writeLocal(exchange: Exchange, local: LocalReply, fields: FieldBlock): void {
    const made = contentOf(exchange, local, fields);
    this.parts.writer.writeLocal(exchange, made.fields, made.body);
    this.onDelivered(exchange);
  }

  private stageLocal(
    exchange: Exchange,
    local: LocalReply,
    opened: StageHead,
    stages: readonly ReplyStage[],
  ): void {
    const made = contentOf(exchange, local, opened.fields);
    const body = Buffer.from(made.body, 'utf8');
    const bodyBytes = opened.status === 204 ? -1 : body.length;
    this.begin(exchange, { ...opened, fields: made.fields, bodyBytes }, stages);
    const { staged } = exchange.reply;
    if (opened.isBodiless || body.length === 0) staged?.end();
    else staged?.data(body, true);
  }

  /** Where the stages of a reply end: a reply keeps to the length that its head announces. */
  private laneOf(exchange: Exchange): ReplySink {
    const { reply } = exchange;
    return {
      head: ({ status, fields, bodyBytes, coding = '' }) => {
        if (status !== reply.status) reply.restate(status);
        reply.edit(fields, bodyBytes);
        reply.onCoded(coding);
        this.parts.writer.head(exchange);
      },
      data: (bytes, isLast) => {
        checkLength(exchange, bytes.length, isLast);
        return this.write(exchange, bytes, isLast);
      },
      trailers: (fields) => {
        checkLength(exchange, 0, true);
        this.writeTrailers(exchange, fields);
      },
      end: () => {
        checkLength(exchange, 0, true);
        this.writeEnd(exchange);
      },
      abort: () => {},
    };
  }

  /** The client has taken more of the reply. */
  onWindow(exchange: Exchange, bytes: number): void {
    exchange.reply.giveWindow(bytes);
    this.goOn(exchange);
  }

  /** The lane has room again: what waited for that goes on, if the client's window lets it. */
  onLaneRoom(): void {
    if (this.behind.length === 0) return;
    for (const exchange of this.behind.splice(0)) this.goOn(exchange);
  }

  private goOn(exchange: Exchange): void {
    const { reply } = exchange;
    reply.onMoved(this.parts.nowMs());
    if (!reply.isPaused || reply.window < reply.windowMin) return;
    reply.resume();
    if (reply.staged === null) resumeSource(exchange, this);
    else reply.staged.resume();
  }

  /** Nobody has moved the reply for too long, and it is not its target that keeps it. */
  onStuck(exchange: Exchange): void {
    exchange.reply.giveUpStages();
    this.parts.onStuck(exchange);
  }

  /** The exchange is over. */
  release(exchange: Exchange): void {
    const { reply } = exchange;
    this.closeStream(exchange);
    reply.staged?.cancel();
    reply.enter(null);
  }
}
