/**
 * The port between the acceptor and whatever speaks HTTP with clients.
 *
 * Thread: acceptor. An engine owns sockets and knows a protocol's bytes; every decision about a
 * request is the acceptor's (client-exchange.ts). One connection may carry any number of
 * exchanges, one after the other (HTTP/1.1) or at the same time (HTTP/2): each has a ClientSocket
 * of its own, and neither side of the port speaks of connections apart from counting them.
 *
 *     engine                                    acceptor
 *     ──────                                    ────────
 *     a connection opens   onOpened ─────────►  may it stay?
 *     a head was read      onRequest ────────►  ClientExchange ── attach ──┐
 *     body, trailers       ClientListener ◄────────────────────────────────┘
 *     ClientSocket  ◄───── sendHead, sendBody, … , pause, resume, abort
 *
 * All calls are synchronous, in both directions. A call into the acceptor never throws, unless
 * its documentation says so.
 */
import type { Clock } from '../base/clock.js';
import type { FieldBlock } from '../base/field-block.js';
import type { ProblemKind } from '../base/problems.js';
import type { HttpProtocol, NewRequest } from '../channel/records/request-head.js';
import type { TlsMaterial } from '../channel/tls-material.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { ConnectionCensus } from './connection-caps.js';
import type { GuardLimits } from './listener-rules.js';
import type { SharedQueues } from './shared-queues.js';

/** What a connection can carry besides requests and replies with bodies. */
export interface EngineCapabilities {
  /** Fields behind a body. Without it the end of the body is all that the client gets of them. */
  readonly trailers: boolean;
  /** Heads before the head of a reply (1xx). Without it they are dropped. */
  readonly interimHeads: boolean;
  /** Exchanges that become tunnels. Without it a reply that opens one is cut off. */
  readonly tunnels: boolean;
  /** A time-out for bodies of which nothing comes: onRefused() tells of it. */
  readonly bodyTimer: boolean;
  /** A reply that ends before its upload closes the connection: see `lingering`. */
  readonly lingers: boolean;
}

/** A request's head as an engine has read it. One object may serve many requests. */
export interface ClientRequest extends NewRequest {
  readonly method: string;
  readonly target: string;
  /** The client's address, as text. */
  readonly peer: string;
  /**
   * What follows on the connection cannot be told from the request with certainty: nothing more
   * may be read behind its reply.
   */
  readonly mustClose: boolean;
  /** Not null: the request must not enter, for this reason. */
  readonly problem: ProblemKind | null;
  /** Which mistake that was, for the log, in words without any value of the request; '': unsaid. */
  readonly reason: string;
  /** Fields that were dropped for an underscore in their names. */
  readonly droppedFields: number;
  /** The name of the last one, cut; '' where there was none. */
  readonly droppedName: string;
}

/** What is known of a request that cannot be answered; '' where that is missing. */
export interface MalformedRequest {
  readonly method: string;
  readonly target: string;
  readonly peer: string;
  readonly protocol: HttpProtocol;
  /** For the log. */
  readonly reason: string;
}

/** What becomes of the connection behind a reply. An HTTP/2 engine reads it for its stream. */
export type ReplyClosing =
  | 'none'
  /** The client is told that the connection closes, and closes it. */
  | 'announced'
  /** The same, and nothing more is read from it, as what follows the request is not trusted. */
  | 'deaf'
  /** The client is told, and the engine closes the connection as soon as it has the reply. */
  | 'closed'
  /**
   * The client is told, while it still sends its body. Behind onDone() the engine goes on to read:
   * it hands the bytes to onData() until abort() closes the connection, or the client does and the
   * engine calls onAborted(). An engine may instead throw the rest of a body away by itself where
   * it knows the body's length: abort() has no effect then. Without the capability `lingers` the
   * exchange is over behind onDone(), and the connection goes on.
   */
  | 'lingering';

/** The head of a reply. The object and its views are valid inside the call only. */
export interface ReplyHead {
  readonly status: number;
  /** FLAG_END, FLAG_BODILESS and FLAG_TUNNEL of records/record-kind.ts. */
  readonly flags: number;
  /** Bytes of the body in all; -1: not known. What HEAD would have, with FLAG_BODILESS. */
  readonly bodyBytes: number;
  /** Of a status that has none of its own; absent or '': none. HTTP/2 has no phrases. */
  readonly phrase?: string;
  /** Bytes of the request id, with which `text` begins. */
  readonly idBytes: number;
  /**
   * The value of X-Request-Id and the field block behind it, in latin-1: an HTTP/1.1 head takes
   * both as they stand. Date and the framing fields are the engine's to write.
   */
  readonly text: Uint8Array;
  /** The first part of the body; all of it with FLAG_END. */
  readonly inlineBody: Uint8Array;
}

/**
 * The client's end of one exchange. Owned by the engine, used by its ClientExchange alone.
 *
 * Order of a reply: sendInterim*, sendHead, then sendBody* until one says `isLast`, or sendEnd, or
 * sendTrailers. After that, after abort(), and after onDone() or onAborted() of its listener
 * nothing of the socket is called any more; but a tunnel may still be paused, resumed and aborted
 * until its way up has ended as well, and an exchange that lingers until it is aborted.
 *
 * Each method may call onSent() back before it returns, and those that complete a reply onDone():
 * the caller has brought its own state in order before. None throws for anything that the client
 * does: whatever the engine finds out about a client it says with onAborted().
 */
export interface ClientSocket {
  /** What the client's connection carries besides heads and bodies. */
  readonly capabilities: EngineCapabilities;

  /**
   * Sets the listener of this exchange. Called once, inside onRequest(), before any other method;
   * the engine calls the listener from the next call on.
   */
  attach(listener: ClientListener): void;

  /**
   * No more of the request body is wanted for now. Bytes that were read already may still come.
   * The reply goes on meanwhile. Calls do not nest, and a second one changes nothing.
   */
  pause(): void;

  /** The request body is wanted again. Without a pause before it changes nothing. */
  resume(): void;

  /**
   * Keeps the exchange alive in an engine that gives up connections by timers of its own: called
   * every LOOK_MS while the exchange is in flight. Which timers there are, and whether the client
   * deserves it, is the engine's affair; slow bodies are the listener's.
   */
  refresh(): void;

  /**
   * A 1xx head before the head of the reply. Only with the capability `interimHeads`. 100 says that
   * the body is wanted: the engine sends it, once, to a client that has asked for that and has sent
   * nothing of its body yet.
   */
  sendInterim(status: number, fields: FieldBlock): void;

  /** The head, and the part of the body that came with it: with FLAG_END the reply is complete. */
  sendHead(head: ReplyHead, closing: ReplyClosing): void;

  /**
   * A piece of the body, or of a tunnel. The bytes are valid inside the call only; what the client
   * does not take at once is copied and kept as `unsent`. The caller sends at most the request's
   * replyWindow more than onSent() has given back, and what one read of a target brings: this
   * bounds `unsent`.
   */
  sendBody(chunk: Uint8Array, isLast: boolean): void;

  /** The body, or the tunnel's way down, has ended; its length was not known before. */
  sendEnd(): void;

  /** The same with fields behind the body. Only with the capability `trailers`. */
  sendTrailers(fields: FieldBlock): void;

  /**
   * Ends the exchange so that the client can see that the reply is not complete. An exchange that
   * lingers has sent all of its reply: the connection closes.
   */
  abort(): void;
}

/** The events of one exchange that an engine reports. The client-exchange implements this. */
export interface ClientListener {
  /**
   * The body is one side of a conversation, such as a call of gRPC on its route: how long its
   * client may be silent is not for the engine to judge. False until the route is known.
   */
  readonly isConversation: boolean;

  /**
   * A part of the request body, or of a tunnel, of any size. The bytes are valid inside the call
   * only. `isLast`: nothing follows; the part may then be empty.
   */
  onData(bytes: Uint8Array, isLast: boolean): void;

  /** The request body has ended with these fields behind it. */
  onTrailers(fields: FieldBlock): void;

  /**
   * The client took this many more bytes of the body; told every WINDOW_CREDIT_BYTES at least. An
   * engine may give more than was taken: then the window is larger from now on.
   */
  onSent(bytes: number): void;

  /**
   * The engine has all of the reply. Called once, and nothing after it; but of a tunnel it ends the
   * way down only, and the way up goes on until its own end; so it does behind a reply that was
   * sent as `lingering`.
   */
  onDone(): void;

  /**
   * The rest of the request's body cannot be read, or did not come in time. What comes of it
   * nevertheless still goes to onData(), as bytes that mean nothing. `reason`: for the log.
   */
  onRefused(problem: ProblemKind, reason: string): void;

  /** The client is gone, or has broken its protocol. Called once, and nothing after it. */
  onAborted(): void;
}

/** What all listeners of an engine share. The acceptor implements it. */
export interface EngineHost {
  /** Where an engine has its time from, if it needs any. */
  readonly clock: Clock;

  /** Sizes of heads and bodies; they may change between two requests. */
  readonly guardLimits: GuardLimits;

  /**
   * Certificates and rules of a listener with TLS, by its row; null: it has none yet. There may be
   * others at any time: ask for each connection.
   */
  tlsMaterial(listener: number): TlsMaterial | null;

  /**
   * Bytes of replies that this engine has in memory, as clients have not taken them. Returns those
   * of all acceptors.
   */
  unsentOfAll(own: number): number;

  /** Sockets that others listen at, too, belong there; null: there are no other acceptors. */
  readonly queues: SharedQueues | null;

  /** A mistake of ours in the engine. */
  onError(error: unknown): void;
}

/** What the log tells of a handshake that failed. */
export interface FailedHandshake {
  /** The address of the client. */
  readonly clientIp: string;
  /** What OpenSSL says of it, such as CERT_HAS_EXPIRED; '': nothing. */
  readonly cause: string;
}

/** One bound socket, as its engine sees it: what holds there, and whom the engine tells. */
export interface ListenerHost {
  /** A reload may put others here between two events: read what is needed when it is needed. */
  readonly settings: ListenerSettings;

  /**
   * Connections close behind their replies: the listener takes no more, or their clients are better
   * off with others. An engine that knows which connections are idle closes them as it stops.
   */
  readonly isDraining: boolean;

  /**
   * A connection was opened from this address: of the socket itself, whatever a proxy says of its
   * client. False: it is to be closed at once.
   */
  onOpened(address: string): boolean;

  /**
   * A connection was closed, one that was refused included. `address`: the one that onOpened() got;
   * '' from an engine that cannot say it.
   */
  onClosed(address: string): void;

  /**
   * A connection was closed before its first request, for this reason; it is one of a few. Nobody
   * could have been answered.
   */
  onTurnedAway(reason: string): void;

  /** A request was malformed in a way that its protocol has no reply for: it was cut off. */
  onMalformed(request: MalformedRequest): void;

  /** A connection was closed in the middle of a reply, for this reason; it is one of a few. */
  onGivenUp(reason: string): void;

  /** A client has broken HTTP/2, or its limits, in this way; it is one of a few. */
  onMistake(reason: string): void;

  /** A TLS handshake has ended: `done`, or why it failed, with more for the log. */
  onHandshake(outcome: string, facts?: FailedHandshake): void;

  /**
   * A head was read. The acceptor attaches a listener to the socket before it returns. It may have
   * sent a whole reply by then, unless the request has a problem or a body: replies to those come
   * in a later turn, so that an engine is never asked to close inside its parser.
   */
  onRequest(request: ClientRequest, socket: ClientSocket): void;
}

/** A socket that an engine has bound. */
export interface OpenListener {
  /** The TCP port; 0: it is a Unix socket. */
  readonly port: number;

  /** Connections that are about to send their first request: those in a handshake, for example. */
  readonly newcomers: number;

  /** Connections that speak HTTP/2, as of the last tick, and the streams that are open on them. */
  readonly http2Connections: number;
  readonly http2Streams: number;

  /** No new connections; those that are open go on. Called once, by when `isDraining` is true. */
  stop(): void;

  /**
   * Closes up to `count` connections on which nothing is under way, the newest first; those of
   * HTTP/2 end behind their streams.
   * Absent: the engine does not know which connections it has.
   */
  letGo?(count: number): void;
}

export interface ClientEngine {
  /** Whether onClosed() is told the address. Without it the census has to say who is connected. */
  readonly tellsWhoCloses: boolean;

  /**
   * Binds one listener.
   *
   * @throws StartupError when the address cannot be had.
   */
  open(host: ListenerHost): Promise<OpenListener>;

  /** Who is connected, as the kernel says it. null: this system does not say it. */
  createCensus(): Promise<ConnectionCensus | null>;

  /** Closes every connection at once; onAborted() is called for each exchange before it returns. */
  close(): void;
}

/** Makes an engine for an acceptor. */
export type CreateEngine = (host: EngineHost) => ClientEngine;
