/**
 * Reads the head of a uWebSockets.js request, once, into the text of a REQUEST_HEAD record.
 *
 * Thread: acceptor. The library's request object is valid inside its callback only; so is what
 * stands here: one object serves all requests, one after the other.
 */
import type { HttpRequest } from 'uWebSockets.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { PLAIN_CONNECTION } from '../channel/records/request-head.js';
import type { RequestGuard } from './request-guard.js';

export class UwsHead {
  method = '';
  target = '';
  /** As records/request-head.ts describes it. */
  text = '';
  private fields = '';
  private readonly onField = (name: string, value: string): void => {
    if (this.guard.field(name, value)) this.fields += `\n${name}\n${value}`;
  };

  constructor(private readonly guard: RequestGuard) {}

  get bodyBytes(): number {
    return this.guard.bodyBytes;
  }

  get mustClose(): boolean {
    return this.guard.mustClose;
  }

  /** Null: the request may enter, and `text` is complete. Else why not. */
  read(req: HttpRequest, peer: string): ProblemKind | null {
    const { guard } = this;
    // getMethod() would lower-case the name in place.
    this.method = req.getCaseSensitiveMethod();
    const query = req.getQuery() as string | undefined;
    this.target = query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`;
    this.fields = '';
    guard.begin(this.method, this.target);
    req.forEach(this.onField);
    if (guard.hasObsText && !this.rereadObsText(req)) return PROBLEMS.badField;
    this.text = `${this.method}\n${this.target}\n${peer}\n${PLAIN_CONNECTION}${this.fields}`;
    return guard.finish();
  }

  /**
   * The library decodes values as UTF-8 and loses bytes that are not; getHeader() gives them as
   * latin-1, but only of the first field of a name. Such a field that is repeated is refused.
   */
  private rereadObsText(req: HttpRequest): boolean {
    const counts = new Map<string, number>();
    const parts = this.fields.split('\n');
    for (let at = 1; at < parts.length; at += 2) {
      const name = parts[at] ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    let fields = '';
    for (let at = 1; at < parts.length; at += 2) {
      const name = parts[at] ?? '';
      let value = parts[at + 1] ?? '';
      if (hasObsText(value)) {
        if (counts.get(name) !== 1) return false;
        value = req.getHeader(name);
      }
      fields += `\n${name}\n${value}`;
    }
    this.guard.countBytes(fields.length - this.fields.length);
    this.fields = fields;
    return true;
  }
}

function hasObsText(value: string): boolean {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 0x7f) return true;
  return false;
}
