/**
 * The head of a reply as one call of a plugin sees it.
 *
 * Thread: worker. Made for one call, as that of a request; its fields are read only when the plugin
 * asks for one.
 */
import type { ReplyFacts } from '../../channel/plugins/program-calls.js';
import { ReplyHead } from '../../filters/reply-head.js';
import type { StageHead } from '../../filters/reply-stage.js';
import type { PluginReplyHead } from '../../plugins/plugin.js';
import { fieldValue, replyFieldName } from './field-rules.js';

const STATUS_MIN = 200;
const STATUS_MAX = 599;

export class ReplyFacade implements PluginReplyHead {
  private parsed: ReplyHead | null = null;
  private isEdited = false;
  private isOver = false;
  private chosen: number;

  constructor(private readonly from: StageHead) {
    this.chosen = from.status;
  }

  get isLocal(): boolean {
    return this.from.isLocal;
  }

  get status(): number {
    return this.chosen;
  }

  set status(status: number) {
    this.mustBeOpen();
    checkStatus(status);
    if (this.from.isBodiless || status === 204 || status === 304) {
      throw new TypeError(`a reply with ${this.from.status} cannot become one with ${status}`);
    }
    this.chosen = status;
  }

  /** The same as plain data, for the main thread. */
  facts(): ReplyFacts {
    const { fields, isLocal, isBodiless } = this.from;
    return { status: this.chosen, fields, isLocal, isBodiless };
  }

  /** What a plugin has made of these facts. */
  adopt({ status, fields }: Pick<ReplyFacts, 'status' | 'fields'>): void {
    this.mustBeOpen();
    if (status !== this.chosen) this.status = status;
    if (fields === this.from.fields) return;
    this.parsed = new ReplyHead(status, fields, this.isLocal);
    this.isEdited = true;
  }

  header(name: string): string {
    return this.head.value(name.toLowerCase());
  }

  setHeader(name: string, value: string): void {
    this.open(name).set(replyFieldName(name), fieldValue(name, value));
  }

  appendHeader(name: string, value: string): void {
    this.open(name).add(replyFieldName(name), fieldValue(name, value));
  }

  removeHeader(name: string): void {
    this.open(name).remove(name.toLowerCase());
  }

  /** The call has ended: well, and its changes count, or not. True: the status is another. */
  end(isGood: boolean): boolean {
    this.isOver = true;
    if (!isGood) return false;
    if (this.isEdited) this.from.fields = this.head.toBlock();
    const isOther = this.chosen !== this.from.status;
    this.from.status = this.chosen;
    return isOther;
  }

  private get head(): ReplyHead {
    const { status, fields, isLocal } = this.from;
    this.parsed ??= new ReplyHead(status, fields, isLocal);
    return this.parsed;
  }

  private open(name: string): ReplyHead {
    this.mustBeOpen();
    replyFieldName(name);
    this.isEdited = true;
    return this.head;
  }

  private mustBeOpen(): void {
    if (this.isOver) throw new Error('the call is over: its reply cannot be changed any more');
  }
}

/** Throws where a plugin cannot answer with it. */
export function checkStatus(status: number): void {
  if (Number.isInteger(status) && status >= STATUS_MIN && status <= STATUS_MAX) return;
  throw new TypeError(`${status} is no status from ${STATUS_MIN} to ${STATUS_MAX}`);
}
