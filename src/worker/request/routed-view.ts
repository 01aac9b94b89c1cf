/**
 * A request as the conditions of routes look at it.
 *
 * Thread: worker. One object for all requests of a thread: it is bound to one, read, and bound to
 * the next.
 */
import type { MatchCondition, RoutedRequest } from '../../routing/route-pattern.js';
import type { RequestHead } from '../exchange/request-head.js';

type Head = Pick<RequestHead, 'fields' | 'query' | 'listener'>;

export class RoutedView implements RoutedRequest {
  private head: Head | null = null;

  /** Looks at this request from now on. */
  of(head: Head): RoutedRequest {
    this.head = head;
    return this;
  }

  get host(): string {
    return this.head?.fields.host ?? '';
  }

  valuesOf(source: MatchCondition['source'], name: string): readonly string[] {
    if (this.head === null) return [];
    const { fields, query, listener } = this.head;
    if (source === 'listener') return [listener];
    if (source === 'header') return fields.values(name);
    if (source === 'query') return new URLSearchParams(query.slice(1)).getAll(name);
    return fields.values('cookie').flatMap((field) => cookiesOf(field, name));
  }
}

/** Every value that a Cookie field has under this name (RFC 6265 section 4.2.1). */
function cookiesOf(field: string, name: string): string[] {
  return field.split(';').flatMap((pair) => {
    const mark = pair.indexOf('=');
    if (mark === -1 || pair.slice(0, mark).trim() !== name) return [];
    return [pair.slice(mark + 1).trim()];
  });
}
