/**
 * Who gets a reply while it comes: a client of this worker, or another lane.
 *
 * Thread: worker.
 */
import { NO_FIELDS } from '../../base/field-block.js';
import type { FedRelay } from '../../channel/cache/reply-relays.js';
import type { Exchange } from '../exchange/exchange.js';
import type { FlightReader, ReplyFlight } from '../exchange/reply-flight.js';
import type { ReplyPath } from '../reply/reply-path.js';

/** Who gets it, and how. */
export interface FlightClient {
  readonly exchange: Exchange;
  readonly replies: Pick<ReplyPath, 'data' | 'end' | 'trailers'>;
  /** The rest does not come. */
  onBroken(exchange: Exchange): void;
}

export class ClientReader implements FlightReader {
  private isPumping = false;
  private isEnded = false;

  constructor(
    private readonly client: FlightClient,
    private readonly flight: ReplyFlight,
    /** The first piece that it gets. */
    public at: number,
  ) {}

  /** The client takes more, or more has come. */
  pump(): void {
    // What is written may at once make room for more.
    if (this.isPumping || this.isEnded) return;
    this.isPumping = true;
    try {
      this.writePieces();
    } finally {
      this.isPumping = false;
    }
    this.flight.onAdvanced();
  }

  private writePieces(): void {
    const { flight } = this;
    const { exchange, replies } = this.client;
    while (!exchange.isFinished && !exchange.reply.isTargetPaused) {
      const piece = flight.piece(this.at);
      const isEnd = flight.isWhole && this.at + 1 >= flight.pieceEnd;
      const endsInData = isEnd && flight.trailers === NO_FIELDS;
      if (isEnd && (piece === undefined || endsInData)) this.isEnded = true;
      if (piece === undefined) {
        if (this.isEnded) this.end();
        return;
      }
      this.at += 1;
      replies.data(exchange, piece, this.isEnded);
      if (this.isEnded) return;
    }
  }

  private end(): void {
    const { flight } = this;
    const { exchange, replies } = this.client;
    if (flight.trailers === NO_FIELDS) replies.end(exchange);
    else replies.trailers(exchange, flight.trailers);
  }

  onBroken(): void {
    this.isEnded = true;
    this.client.onBroken(this.client.exchange);
  }
}

export class RelayReader implements FlightReader {
  at = 0;

  /** `first`: what goes before the body. */
  constructor(
    private readonly relay: FedRelay,
    private readonly flight: ReplyFlight,
    first: Buffer,
  ) {
    relay.write(first);
  }

  pump(): void {
    const { relay, flight } = this;
    if (!relay.isWanted) {
      flight.leave(this);
      return;
    }
    let piece = flight.piece(this.at);
    while (relay.go() && piece !== undefined) {
      relay.write(piece);
      this.at += 1;
      piece = flight.piece(this.at);
    }
    if (flight.isWhole && piece === undefined && relay.go()) {
      relay.end();
      flight.leave(this);
    } else {
      flight.onAdvanced();
    }
  }

  onBroken(): void {
    this.relay.break();
  }
}
