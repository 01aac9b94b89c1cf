/**
 * The metrics of WebSockets, by route.
 *
 * Thread: any (pure). A part of metrics.ts.
 */
import { CLOSE_CODES } from '../observability/counters.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import { FAMILIES } from './metric-families.js';

/** Figures of the WebSockets of one route. `closes`: in the order of CLOSE_CODES. */
export interface WebSocketFigures {
  readonly open: number;
  readonly opened: number;
  readonly messagesUp: number;
  readonly messagesDown: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly closes: readonly number[];
}

type Sample = readonly [Labels, number];

export class WebSocketSamples {
  private readonly open: Sample[] = [];
  private readonly opened: Sample[] = [];
  private readonly messages: Sample[] = [];
  private readonly bytes: Sample[] = [];
  private readonly closes: Sample[] = [];

  /** The figures of the routes that are shown under one label; nothing where there were none. */
  add(label: string, figures: readonly WebSocketFigures[]): void {
    const sum = (of: (one: WebSocketFigures) => number): number =>
      figures.reduce((total, one) => total + of(one), 0);
    const opened = sum((one) => one.opened);
    if (opened === 0) return;
    const route = ['route', label] as const;
    this.open.push([[route], sum((one) => one.open)]);
    this.opened.push([[route], opened]);
    const up = [route, ['direction', 'up']] as const;
    const down = [route, ['direction', 'down']] as const;
    this.messages.push([up, sum((one) => one.messagesUp)]);
    this.messages.push([down, sum((one) => one.messagesDown)]);
    this.bytes.push([up, sum((one) => one.bytesUp)]);
    this.bytes.push([down, sum((one) => one.bytesDown)]);
    for (const [at, code] of CLOSE_CODES.entries()) {
      const count = sum(({ closes }) => closes[at] ?? 0);
      const text = code === 0 ? 'other' : String(code);
      if (count > 0) this.closes.push([[route, ['code', text]], count]);
    }
  }

  *families(): Generator<string> {
    yield familyText(FAMILIES.webSocketsOpen, 'gauge', this.open);
    yield familyText(FAMILIES.webSockets, 'counter', this.opened);
    yield familyText(FAMILIES.webSocketMessages, 'counter', this.messages);
    yield familyText(FAMILIES.webSocketBytes, 'counter', this.bytes);
    yield familyText(FAMILIES.webSocketCloses, 'counter', this.closes);
  }
}
